//! `runtimes/*.toml`, built into the binary.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a runtime needs.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    /// As the API spells it.
    pub(crate) id: String,
    pub(crate) family: Family,
    /// Of the interpreter: `3.12`, `20`.
    pub(crate) version: String,
    /// AWS's date; the runtime goes on working here.
    pub(crate) deprecated: String,
    /// Name of a package set; see [`PackageSet`].
    #[serde(default)]
    pub(crate) sdk: Option<String>,
    /// Version of the package that holds an official binary.
    #[serde(default)]
    pub(crate) binary: Option<String>,
    /// Variables that this runtime has besides its family's, or with another value (recorded).
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

/// How it is started.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Family {
    Python,
    Nodejs,
    /// The package brings its own `bootstrap`.
    Custom,
}

/// Packages that managed runtimes bring along, pinned.
pub(crate) struct PackageSet {
    pub(crate) name: &'static str,
    pub(crate) packages: &'static [&'static str],
    /// For Python: the version that the packages must run on.
    pub(crate) python: Option<&'static str>,
}

/// The sets that definitions name.
pub(crate) const PACKAGE_SETS: &[PackageSet] = &[
    PackageSet { name: "boto3-1.37", packages: &["boto3==1.37.38"], python: Some("3.8") },
    PackageSet { name: "boto3-1.40", packages: &["boto3==1.40.76"], python: Some("3.9") },
    PackageSet { name: "boto3-1.43", packages: &["boto3==1.43.11"], python: Some("3.10") },
    PackageSet { name: "aws-sdk-v2", packages: &["aws-sdk@2.1693.0"], python: None },
    PackageSet {
        name: "aws-sdk-v3",
        packages: &[
            "@aws-sdk/client-cloudwatch-logs@3.723.0",
            "@aws-sdk/client-dynamodb@3.723.0",
            "@aws-sdk/client-eventbridge@3.723.0",
            "@aws-sdk/client-kinesis@3.723.0",
            "@aws-sdk/client-lambda@3.723.0",
            "@aws-sdk/client-s3@3.723.0",
            "@aws-sdk/client-secrets-manager@3.723.0",
            "@aws-sdk/client-sns@3.723.0",
            "@aws-sdk/client-sqs@3.723.0",
            "@aws-sdk/client-ssm@3.723.0",
            "@aws-sdk/client-sts@3.723.0",
            "@aws-sdk/lib-dynamodb@3.723.0",
            "@aws-sdk/s3-request-presigner@3.723.0",
        ],
        python: None,
    },
];

macro_rules! definitions {
    ($($id:literal),* $(,)?) => {
        const DEFINITIONS: &[&str] =
            &[$(include_str!(concat!("../../../../runtimes/", $id, ".toml"))),*];
    };
}

definitions![
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "provided",
    "provided.al2",
    "provided.al2023",
];

/// Every definition. They are part of the binary, so a test is enough to know that they can be read.
pub(crate) fn all() -> Vec<Definition> {
    DEFINITIONS.iter().filter_map(|text| toml::from_str(text).ok()).collect()
}

/// Runtimes that AWS creates functions with, in the order of its own error text (recorded).
pub(crate) const CREATABLE_ON_AWS: &[&str] = &[
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Runtimes that AWS once had, and that are not here.
pub(crate) const RETIRED: &[&str] = &[
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_can_be_read_and_names_a_known_package_set() {
        let all = all();
        assert_eq!(all.len(), DEFINITIONS.len());
        for definition in all {
            let known = |name: &String| PACKAGE_SETS.iter().any(|set| set.name == name);
            assert!(definition.sdk.as_ref().is_none_or(known), "{definition:?}");
        }
    }
}
