//! ListFunctions: by name, at most fifty a page; states are left out (recorded). With `FunctionVersion=ALL` every version
//! is an item of its own.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::{Fault, Function, FunctionKey, FunctionName, Scope, Version, VersionNumber};
use lambent_wire::lambda::operations::ListFunctions;
use lambent_wire::lambda::operations::list_functions::{ListFunctionsRequest, ListFunctionsResponse};
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::paging::{Page, number_key};
use crate::{Control, shown};

impl Handle<ListFunctions> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListFunctionsRequest,
    ) -> Result<ListFunctionsResponse, Fault> {
        // Functions replicated for CloudFront have a master region; there are none here.
        if let Some(region) = &input.master_region
            && region != "ALL"
        {
            return Ok(ListFunctionsResponse { functions: Some(Vec::new()), next_marker: None });
        }
        let all = input.function_version.as_deref() == Some("ALL");
        let operation = if all { "versions-of-all" } else { "functions" };
        let page = Page::parse(operation, input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let (functions, next_marker) = if all {
            self.all_versions(&context.scope, &page)
        } else {
            self.latest_of_all(&context.scope, &page)
        };
        Ok(ListFunctionsResponse { functions: Some(functions), next_marker })
    }
}

type Listed = (Vec<FunctionConfiguration>, Option<String>);

impl Control {
    fn latest_of_all(&self, scope: &Scope, page: &Page) -> Listed {
        let found = self.parts.store.functions(scope, page.after.as_deref(), page.wanted());
        let (functions, next) = page.cut(found, |function| function.key.name.to_string());
        let shown = |key: &FunctionKey, latest| shown::listed(key, latest, key.arn());
        (functions.iter().map(|function| shown(&function.key, &function.latest)).collect(), next)
    }

    /// Keys are `<name>/<number>`; functions are in order of their names, and a function's versions of their numbers.
    fn all_versions(&self, scope: &Scope, page: &Page) -> Listed {
        let name = page.after.as_deref().and_then(|key| key.split_once('/')).map(|(name, _)| name.to_owned());
        // The function that the page before ended in may have more versions.
        let mut functions: Vec<_> = Vec::new();
        if let Some(name) = name.as_deref().and_then(FunctionName::parse) {
            let key = FunctionKey { scope: scope.clone(), name };
            functions.extend(self.parts.store.function(&key));
        }
        functions.extend(self.parts.store.functions(scope, name.as_deref(), page.wanted()));
        let items = functions
            .iter()
            .flat_map(|function| function.all_versions().map(move |version| (function, version)));
        let after = page.after.as_deref();
        let key = |function: &Function, version: &Version| {
            let number = match version.number {
                VersionNumber::Latest => 0,
                VersionNumber::Published(number) => number,
            };
            format!("{}/{}", function.key.name, number_key(number))
        };
        let rest = items.filter(|(function, version)| {
            name.as_deref() != Some(function.key.name.as_str())
                || after.is_none_or(|after| key(function, version).as_str() > after)
        });
        let (found, next) =
            page.cut(rest.take(page.wanted()).collect(), |(function, version)| key(function, version));
        (
            found.into_iter().map(|(function, version)| shown::listed_version(function, version)).collect(),
            next,
        )
    }
}
