//! What is in the `body` column: versioned types of this crate, so that the domain can change without the disk.
//!
//! Environment variables are not in a body: they are taken out on the way in, sealed in a column of their own, and put
//! back on the way out.

mod configuration;
mod function;
mod mapping;
mod resources;
mod version;

use lambent_domain::{CodeRef, CodeSha256, Policy, RevisionId, policy::Statement};
use serde::{Deserialize, Serialize};

pub(crate) use function::StoredFunction;
pub(crate) use mapping::StoredMapping;
pub(crate) use resources::{StoredCodeSigning, StoredLayer};
pub(crate) use version::{StoredVersion, VersionSecrets};

/// A row that can't be understood: a damaged file, or a bug.
pub(crate) fn damaged(what: &str) -> String {
    format!("a stored record is damaged: {what}")
}

fn revision(text: &str) -> Result<RevisionId, String> {
    RevisionId::parse(text).ok_or_else(|| damaged("a revision id"))
}

#[derive(Serialize, Deserialize)]
struct CodeV1 {
    sha256: String,
    size_bytes: u64,
    unzipped_bytes: u64,
}

impl From<CodeRef> for CodeV1 {
    fn from(code: CodeRef) -> Self {
        CodeV1 {
            sha256: code.sha256.to_hex(),
            size_bytes: code.size_bytes,
            unzipped_bytes: code.unzipped_bytes,
        }
    }
}

impl CodeV1 {
    fn into_code(self) -> Result<CodeRef, String> {
        let sha256 = CodeSha256::from_hex(&self.sha256).ok_or_else(|| damaged("a code hash"))?;
        Ok(CodeRef { sha256, size_bytes: self.size_bytes, unzipped_bytes: self.unzipped_bytes })
    }
}

#[derive(Serialize, Deserialize)]
struct PolicyV1 {
    revision_id: String,
    version: String,
    id: Option<String>,
    /// Sid and JSON text.
    statements: Vec<(Option<String>, String)>,
}

impl From<&Policy> for PolicyV1 {
    fn from(policy: &Policy) -> Self {
        let pair = |statement: &Statement| (statement.sid.clone(), statement.json.clone());
        PolicyV1 {
            revision_id: policy.revision_id.to_string(),
            version: policy.version.clone(),
            id: policy.id.clone(),
            statements: policy.statements.iter().map(pair).collect(),
        }
    }
}

impl PolicyV1 {
    fn into_policy(self) -> Result<Policy, String> {
        Ok(Policy {
            revision_id: revision(&self.revision_id)?,
            version: self.version,
            id: self.id,
            statements: self.statements.into_iter().map(|(sid, json)| Statement { sid, json }).collect(),
        })
    }
}
