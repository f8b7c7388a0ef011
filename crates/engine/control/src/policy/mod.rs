//! Resource policies as the JSON documents that the API shows, and what changes them a statement at a time.

use lambent_domain::limits::MAX_POLICY_BYTES;
use lambent_domain::policy::Statement;
use lambent_domain::{Fault, Policy};
use serde_json::Value;

/// The whole document, as GetPolicy and GetLayerVersionPolicy show it.
pub(crate) fn document(policy: &Policy) -> String {
    let id = policy.id.as_ref().map(|id| format!(r#""Id":{},"#, quoted(id))).unwrap_or_default();
    let statements: Vec<&str> = policy.statements.iter().map(|statement| statement.json.as_str()).collect();
    format!(r#"{{"Version":{},{id}"Statement":[{}]}}"#, quoted(&policy.version), statements.join(","))
}

/// Adds a statement. Its id must be new in this policy, and the whole must stay within the limit.
pub(crate) fn add(policy: &mut Policy, statement: Statement) -> Result<(), Fault> {
    if let Some(sid) = statement.sid.as_deref().filter(|sid| policy.has(sid)) {
        return Err(Fault::Conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    policy.statements.push(statement);
    check_size(policy)
}

/// Removes the statement that has this id.
pub(crate) fn remove(policy: &mut Policy, sid: &str) -> Result<(), Fault> {
    if !policy.has(sid) {
        return Err(Fault::NotFound(format!("Statement {sid} is not found in resource policy.")));
    }
    policy.statements.retain(|statement| statement.sid.as_deref() != Some(sid));
    Ok(())
}

fn check_size(policy: &Policy) -> Result<(), Fault> {
    if document(policy).len() > MAX_POLICY_BYTES { Err(Fault::PolicyTooLong) } else { Ok(()) }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use lambent_domain::RevisionId;

    use super::*;

    fn statement(sid: &str) -> Statement {
        Statement { sid: Some(sid.into()), json: format!(r#"{{"Sid":"{sid}"}}"#) }
    }

    fn policy() -> Policy {
        Policy::empty(RevisionId::from_random([0; 16]))
    }

    #[test]
    fn a_document_holds_statements_in_the_order_in_which_they_came() {
        let mut policy = policy();
        add(&mut policy, statement("b")).unwrap();
        add(&mut policy, statement("a")).unwrap();
        assert_eq!(
            document(&policy),
            r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"b"},{"Sid":"a"}]}"#
        );
        policy.id = None;
        assert!(document(&policy).starts_with(r#"{"Version":"2012-10-17","Statement":["#));
    }

    #[test]
    fn an_id_names_one_statement() {
        let mut policy = policy();
        add(&mut policy, statement("s3")).unwrap();
        let text = "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.";
        assert_eq!(add(&mut policy, statement("s3")), Err(Fault::Conflict(text.into())));
        let text = "Statement x is not found in resource policy.";
        assert_eq!(remove(&mut policy, "x"), Err(Fault::NotFound(text.into())));
        remove(&mut policy, "s3").unwrap();
        assert_eq!(policy.statements, []);
    }

    #[test]
    fn the_limit_counts_the_bytes_of_the_whole_document() {
        let around = document(&policy()).len();
        let exact = |bytes: usize| Statement { sid: None, json: "x".repeat(bytes) };
        assert_eq!(add(&mut policy(), exact(MAX_POLICY_BYTES - around)), Ok(()));
        assert_eq!(add(&mut policy(), exact(MAX_POLICY_BYTES - around + 1)), Err(Fault::PolicyTooLong));
    }
}
