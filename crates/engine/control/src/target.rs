//! Which function a request points at: by name, partial ARN or ARN, with a qualifier in it or beside it.

use lambent_domain::limits::MAX_FUNCTION_NAME_CHARS;
use lambent_domain::names::partition;
use lambent_domain::{Fault, Function, FunctionKey, FunctionName, FunctionRef, Qualifier, Scope};

/// A function as a caller pointed at it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) key: FunctionKey,
    pub(crate) qualifier: Option<Qualifier>,
}

impl Target {
    /// For operations on functions that exist: a name of a wrong length is "not found" (recorded).
    pub(crate) fn parse(text: &str, qualifier: Option<&str>, scope: &Scope) -> Result<Self, Fault> {
        let (found, qualifier) = take_apart(text, qualifier, scope)?;
        let name = FunctionName::parse(&found.name).ok_or_else(|| {
            let region = &scope.region;
            let arn = format!(
                "arn:{}:lambda:{region}:{}:function:{}",
                partition(region),
                scope.account,
                found.name
            );
            Fault::FunctionNotFound(arn)
        })?;
        Ok(Target { key: FunctionKey { scope: scope.clone(), name }, qualifier })
    }

    /// For CreateFunction: a name that is too long is a constraint failure, under a code of its own (recorded).
    pub(crate) fn parse_new(text: &str, scope: &Scope) -> Result<FunctionKey, Fault> {
        let (found, _) = take_apart(text, None, scope)?;
        let name = FunctionName::parse(&found.name).ok_or_else(|| {
            Fault::InvalidParameter(format!(
                "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to {MAX_FUNCTION_NAME_CHARS}",
                found.name
            ))
        })?;
        Ok(FunctionKey { scope: scope.clone(), name })
    }

    /// The ARN as the caller pointed at it.
    pub(crate) fn shown_arn(&self) -> String {
        match &self.qualifier {
            None => self.key.arn(),
            Some(qualifier) => self.key.qualified_arn(&qualifier.to_string()),
        }
    }

    /// For operations on a function as a whole.
    pub(crate) fn expect_unqualified(&self) -> Result<(), Fault> {
        match self.qualifier {
            None => Ok(()),
            Some(_) => Err(Fault::InvalidParameter(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.".into(),
            )),
        }
    }

    /// For updates: only `$LATEST` can be changed.
    pub(crate) fn expect_latest(&self) -> Result<(), Fault> {
        match self.qualifier {
            None | Some(Qualifier::Latest) => Ok(()),
            _ => Err(self.not_found()),
        }
    }

    /// AWS's "not found" with the ARN as the caller pointed at it.
    pub(crate) fn not_found(&self) -> Fault {
        Fault::FunctionNotFound(self.shown_arn())
    }

    /// The qualifier, where none stands for `$LATEST`.
    pub(crate) fn qualifier_or_latest(&self) -> Qualifier {
        self.qualifier.clone().unwrap_or(Qualifier::Latest)
    }
}

/// AWS's "not found" of an alias that is read, or that something is to be said of.
pub(crate) fn alias_not_found(key: &FunctionKey, name: &str) -> Fault {
    Fault::NotFound(format!("Cannot find alias arn: {}", key.qualified_arn(name)))
}

/// The qualifier names something that is there. A name with a `$` can't be an alias's (recorded).
pub(crate) fn existing(function: &Function, qualifier: &Qualifier) -> Result<(), Fault> {
    match (qualifier, function.primary(Some(qualifier))) {
        (_, Some(_)) => Ok(()),
        (Qualifier::Alias(name), None) if !name.contains('$') => Err(alias_not_found(&function.key, name)),
        (_, None) => Err(Fault::FunctionNotFound(function.key.qualified_arn(&qualifier.to_string()))),
    }
}

fn take_apart(
    text: &str,
    qualifier: Option<&str>,
    scope: &Scope,
) -> Result<(FunctionRef, Option<Qualifier>), Fault> {
    // The model's pattern has been checked; what it lets through and this does not is a name that can't exist.
    let found = FunctionRef::parse(text).ok_or_else(|| Fault::FunctionNotFound(text.to_owned()))?;
    let given = qualifier.and_then(Qualifier::parse);
    let qualifier = match (&found.qualifier, given) {
        (Some(own), Some(given)) if *own != given => {
            return Err(Fault::InvalidParameter(
                "The derived qualifier from the function name does not match the specified qualifier.".into(),
            ));
        }
        (own, given) => given.or_else(|| own.clone()),
    };
    if let Some(region) = found.region.as_ref().filter(|region| **region != scope.region) {
        return Err(Fault::NotFound(format!(
            "Functions from '{region}' are not reachable in this region ('{}')",
            scope.region
        )));
    }
    if found.account.as_ref().is_some_and(|account| *account != scope.account) {
        return Err(Fault::AccessDenied(format!(
            "User: arn:aws:iam::{}:root is not authorized to perform this operation on resource: {text} because no resource-based policy allows it",
            scope.account
        )));
    }
    Ok((found, qualifier))
}
