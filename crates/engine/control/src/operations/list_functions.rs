//! ListFunctions: by name, at most fifty a page; states are left out (recorded). Markers are opaque and survive restarts.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_FUNCTIONS_PAGE;
use lambent_domain::{Fault, FunctionName};
use lambent_wire::lambda::operations::ListFunctions;
use lambent_wire::lambda::operations::list_functions::{ListFunctionsRequest, ListFunctionsResponse};

use crate::{Control, shown, store_fault};

/// Tells markers of this operation from others'.
const MARKER_PREFIX: &str = "f1.";

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
        let after =
            input.marker.as_deref().filter(|marker| !marker.is_empty()).map(read_marker).transpose()?;
        let asked = input.max_items.map_or(LIST_FUNCTIONS_PAGE, |count| count.unsigned_abs() as usize);
        let limit = asked.min(LIST_FUNCTIONS_PAGE);
        let mut functions =
            self.parts.store.list(&context.scope, after.as_ref(), limit + 1).await.map_err(store_fault)?;
        let more = functions.len() > limit;
        functions.truncate(limit);
        let next_marker = functions.last().filter(|_| more).map(|last| marker(&last.key.name));
        let qualified = input.function_version.as_deref() == Some("ALL");
        let shown = functions.iter().map(|function| {
            let arn = if qualified { function.key.qualified_arn("$LATEST") } else { function.key.arn() };
            shown::listed(function, arn)
        });
        Ok(ListFunctionsResponse { functions: Some(shown.collect()), next_marker })
    }
}

fn marker(name: &FunctionName) -> String {
    let digits: String = name.as_str().bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{MARKER_PREFIX}{digits}")
}

fn read_marker(marker: &str) -> Result<FunctionName, Fault> {
    let read = || {
        let digits = marker.strip_prefix(MARKER_PREFIX)?;
        let bytes: Option<Vec<u8>> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect();
        FunctionName::parse(&String::from_utf8(bytes?).ok()?)
    };
    // AWS's own text is not known.
    read().ok_or_else(|| Fault::InvalidParameter("The provided Marker is invalid.".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_back_and_garbage_does_not() {
        let name = FunctionName::parse("my-function_1").unwrap();
        assert_eq!(read_marker(&marker(&name)).unwrap(), name);
        for garbage in ["f1.", "f1.zz", "f1.616", "f1.é0", "x", "f2.61", "f1.20"] {
            assert!(read_marker(garbage).is_err(), "{garbage}");
        }
    }
}
