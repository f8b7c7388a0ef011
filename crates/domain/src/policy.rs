//! A resource policy: who may do what with a function or layer version. Statements are kept as the JSON text that the
//! API shows; whoever evaluates them parses them.

use crate::ident::RevisionId;

/// The policy of one resource. One without statements does not exist: removing the last removes the policy (recorded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its own, apart from the function's.
    pub revision_id: RevisionId,
    /// `Version` of the document.
    pub version: String,
    /// `Id` of the document; `default` for one that AddPermission made.
    pub id: Option<String>,
    /// In the order in which they were added.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Names it within its policy; AddPermission always gives one.
    pub sid: Option<String>,
    /// The whole statement, a JSON object.
    pub json: String,
}

impl Policy {
    /// The version of the policy language.
    pub const VERSION: &'static str = "2012-10-17";
    /// `Id` of a policy made of permissions.
    pub const DEFAULT_ID: &'static str = "default";

    /// A policy that permissions are added to.
    pub fn empty(revision_id: RevisionId) -> Self {
        Policy {
            revision_id,
            version: Self::VERSION.into(),
            id: Some(Self::DEFAULT_ID.into()),
            statements: Vec::new(),
        }
    }

    /// The document without its id: what it allows and forbids.
    pub fn text(&self) -> String {
        let statements: Vec<&str> = self.statements.iter().map(|statement| statement.json.as_str()).collect();
        format!(r#"{{"Version":"{}","Statement":[{}]}}"#, self.version, statements.join(","))
    }

    /// Whether a statement has this id.
    pub fn has(&self, sid: &str) -> bool {
        self.statements.iter().any(|statement| statement.sid.as_deref() == Some(sid))
    }
}
