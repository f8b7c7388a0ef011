//! Accounts, regions, function names and the many ways to point at a function (`facts` 1.3).

use std::fmt;

use crate::limits::MAX_FUNCTION_NAME_CHARS;

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype!(
    /// Twelve digits.
    AccountId
);
text_newtype!(
    /// Such as `us-east-1`.
    Region
);
text_newtype!(
    /// A function's own name: 1 to 64 of `[a-zA-Z0-9-_]`.
    FunctionName
);

impl AccountId {
    /// Twelve ASCII digits, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| AccountId(text.to_owned()))
    }
}

impl Region {
    /// A region-shaped word (`[a-z0-9-]`, letters first, 3 to 32 characters), known or not.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = (3..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && text.starts_with(|first: char| first.is_ascii_lowercase());
        shaped.then(|| Region(text.to_owned()))
    }
}

impl FunctionName {
    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Option<Self> {
        ((1..=MAX_FUNCTION_NAME_CHARS).contains(&text.len()) && is_word(text))
            .then(|| FunctionName(text.to_owned()))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The account and region that a key lives in: part of every key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Owner.
    pub account: AccountId,
    /// From the credential scope.
    pub region: Region,
}

/// Names one function of this server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    /// Account and region.
    pub scope: Scope,
    /// Own name.
    pub name: FunctionName,
}

impl FunctionKey {
    /// The unqualified ARN.
    pub fn arn(&self) -> String {
        self.scope.arn(&format!("function:{}", self.name))
    }

    /// The ARN with `:qualifier`.
    pub fn qualified_arn(&self, qualifier: &str) -> String {
        format!("{}:{qualifier}", self.arn())
    }
}

/// Names one layer of this server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerKey {
    /// Account and region.
    pub scope: Scope,
    /// 1 to 140 of `[a-zA-Z0-9-_]`.
    pub name: String,
}

impl LayerKey {
    /// The layer's ARN, without a version.
    pub fn arn(&self) -> String {
        self.scope.arn(&format!("layer:{}", self.name))
    }

    /// The ARN of one of its versions.
    pub fn version_arn(&self, version: u64) -> String {
        format!("{}:{version}", self.arn())
    }
}

/// Names one code-signing configuration of this server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeSigningKey {
    /// Account and region.
    pub scope: Scope,
    /// `csc-` and 17 of `[a-z0-9]`.
    pub id: String,
}

impl CodeSigningKey {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.scope.arn(&format!("code-signing-config:{}", self.id))
    }
}

/// Names one event source mapping of this server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingKey {
    /// Account and region.
    pub scope: Scope,
    /// Its UUID.
    pub uuid: String,
}

impl MappingKey {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.scope.arn(&format!("event-source-mapping:{}", self.uuid))
    }
}

impl Scope {
    /// The ARN of a Lambda resource here, such as `function:f`.
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:{}:lambda:{}:{}:{resource}", partition(&self.region), self.region, self.account)
    }
}

/// The ARN partition that a region belongs to.
pub fn partition(region: &Region) -> &'static str {
    match region.as_str() {
        name if name.starts_with("cn-") => "aws-cn",
        name if name.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// `$LATEST`, a version number or an alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `$LATEST`.
    Latest,
    /// A published version's number.
    Version(u64),
    /// An alias name, or anything else of a qualifier's form.
    Alias(String),
}

impl Qualifier {
    /// Parses a qualifier of the model's alphabet; `None` when it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "$LATEST" {
            return Some(Qualifier::Latest);
        }
        let of_alphabet =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$' | b'.');
        if text.is_empty() || text.len() > 128 || !text.bytes().all(of_alphabet) {
            return None;
        }
        Some(match text.parse::<u64>() {
            Ok(number) => Qualifier::Version(number),
            Err(_) => Qualifier::Alias(text.to_owned()),
        })
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qualifier::Latest => f.write_str("$LATEST"),
            Qualifier::Version(number) => write!(f, "{number}"),
            Qualifier::Alias(name) => f.write_str(name),
        }
    }
}

/// A function identifier as a caller wrote it, taken apart: `name`, `name:q`, `account:function:name[:q]`,
/// `function:name[:q]`, `[region:]account:function:name[:q]` or a full ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRef {
    /// Region of the ARN, when one was given.
    pub region: Option<Region>,
    /// Account of the ARN, when one was given.
    pub account: Option<AccountId>,
    /// The name part. Not length-checked: a read of a 65-character name is "not found", not "invalid" (recorded).
    pub name: String,
    /// The part after the name.
    pub qualifier: Option<Qualifier>,
}

impl FunctionRef {
    /// Takes an identifier apart. `None` when it has none of the forms; the model's pattern check comes before this.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts: Vec<&str> = text.split(':').collect();
        let mut region = None;
        let mut account = None;
        if parts.first() == Some(&"arn") {
            if parts.len() < 6 || !parts[1].starts_with("aws") || parts[2] != "lambda" {
                return None;
            }
            parts.drain(..3);
        }
        if parts.len() > 2
            && Region::parse(parts[0]).is_some()
            && parts[0] != "function"
            && parts[0].contains('-')
        {
            region = Region::parse(parts.remove(0));
        }
        if parts.len() > 2
            && let Some(found) = AccountId::parse(parts[0])
        {
            account = Some(found);
            parts.remove(0);
        }
        // The word `function` alone, or followed by nothing that could be a name, is itself a name (recorded).
        if parts.len() > 1 && parts[0] == "function" {
            parts.remove(0);
        } else if account.is_some() || region.is_some() {
            return None;
        }
        let (name, rest) = parts.split_first()?;
        let qualifier = match rest {
            [] => None,
            [qualifier] => Some(Qualifier::parse(qualifier)?),
            _ => return None,
        };
        let named =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        (!name.is_empty() && named).then(|| FunctionRef {
            region,
            account,
            name: (*name).to_owned(),
            qualifier,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, Option<String>, String, Option<String>) {
        let found = FunctionRef::parse(text).unwrap_or_else(|| panic!("{text} should parse"));
        (
            found.region.map(|region| region.to_string()),
            found.account.map(|account| account.to_string()),
            found.name,
            found.qualifier.map(|qualifier| qualifier.to_string()),
        )
    }

    #[test]
    fn every_form_of_a_function_identifier_is_understood() {
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(parsed("f"), (None, None, "f".into(), None));
        assert_eq!(parsed("f:$LATEST"), (None, None, "f".into(), own("$LATEST")));
        assert_eq!(parsed("f:7"), (None, None, "f".into(), own("7")));
        assert_eq!(parsed("function"), (None, None, "function".into(), None));
        assert_eq!(parsed("function:f"), (None, None, "f".into(), None));
        assert_eq!(
            parsed("123456789012:function:f:live"),
            (None, own("123456789012"), "f".into(), own("live"))
        );
        assert_eq!(
            parsed("arn:aws:lambda:eu-west-1:123456789012:function:f:3"),
            (own("eu-west-1"), own("123456789012"), "f".into(), own("3"))
        );
        assert_eq!(
            parsed("eu-west-1:123456789012:function:f"),
            (own("eu-west-1"), own("123456789012"), "f".into(), None)
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "a b",
            "arn:aws:s3:::bucket",
            "f:1:2",
            "f:+5",
            "123456789012:f:1",
            "arn:aws:lambda:eu-west-1:1:function:f",
        ] {
            assert_eq!(FunctionRef::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_partition_follows_the_region() {
        for (region, expected) in
            [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
        {
            assert_eq!(partition(&Region::parse(region).unwrap()), expected);
        }
    }
}
