//! Services that are elsewhere: options.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use lambent_aws_client::{Endpoint, Remote};

use crate::cli::options::{Secret, credentials};

/// Those that this server sends requests to by itself.
const NAMES: &[&str] = &["sqs", "sns", "events", "s3"];
/// The others that are here; nobody would ask them elsewhere.
const HERE: &[&str] = &["lambda", "logs", "monitoring", "scheduler", "sts", "iam"];

/// Where they are, and as whom they are asked.
#[derive(Args, Clone, Debug, Default)]
pub struct Services {
    /// Services elsewhere that dead letters, records and mappings use instead of this server's own, such as
    /// sqs=http://127.0.0.1:4567,sns=https://sns.eu-west-1.amazonaws.com; and those that this server does not have,
    /// which clients' and functions' requests are sent on to, such as dynamodb=http://127.0.0.1:8000
    #[arg(long, env = "LAMBENT_SERVICE_ENDPOINTS", value_name = "NAME=URL,…")]
    pub service_endpoints: Option<String>,
    /// Access key that they are signed with; without one they are not signed, and what is sent on is as its sender signed it
    #[arg(long, env = "LAMBENT_SERVICE_ACCESS_KEY_ID", value_name = "ID")]
    pub service_access_key_id: Option<String>,
    /// Its secret; only from the environment or the config file
    #[arg(
        long,
        env = "LAMBENT_SERVICE_SECRET_ACCESS_KEY",
        value_name = "SECRET",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub service_secret_access_key: Option<Secret>,
    /// PEM file of certificate authorities to trust for them instead of the host's
    #[arg(long, env = "LAMBENT_SERVICE_CA_BUNDLE", value_name = "FILE")]
    pub service_ca_bundle: Option<PathBuf>,
}

impl Services {
    /// By signing name.
    pub fn remotes(&self) -> anyhow::Result<Vec<(&'static str, Remote)>> {
        let credentials =
            credentials("service", &self.service_access_key_id, &self.service_secret_access_key)?;
        let Some(text) = &self.service_endpoints else {
            if credentials.is_some() || self.service_ca_bundle.is_some() {
                bail!("the options for services elsewhere need --service-endpoints");
            }
            return Ok(Vec::new());
        };
        let mut remotes: Vec<(&'static str, Remote)> = Vec::new();
        for pair in text.split(',') {
            let wrong = || {
                format!(
                    "--service-endpoints {pair}: it must be a name and a URL, such as sqs=http://127.0.0.1:4567"
                )
            };
            let (name, url) = pair.split_once('=').with_context(wrong)?;
            let name = signing_name(name.trim()).with_context(|| {
                format!(
                    "--service-endpoints: {name}: the names are {}, and those that services which are not here sign with",
                    NAMES.join(", ")
                )
            })?;
            let endpoint = Endpoint::parse(url).map_err(anyhow::Error::msg).with_context(wrong)?;
            if remotes.iter().any(|(other, _)| *other == name) {
                bail!("--service-endpoints: {name} is given twice");
            }
            let (credentials, ca_bundle) = (credentials.clone(), self.service_ca_bundle.clone());
            remotes.push((name, Remote { endpoint, credentials, ca_bundle }));
        }
        Ok(remotes)
    }
}

fn signing_name(name: &str) -> Option<&'static str> {
    if let Some(known) = NAMES.iter().find(|known| **known == name) {
        return Some(known);
    }
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    // A handful, for as long as the process lives.
    (is_name && !name.is_empty() && !HERE.contains(&name)).then(|| &*name.to_owned().leak())
}

/// Whether requests to it are sent on, instead of being answered here.
pub(crate) fn is_sent_on(name: &str) -> bool {
    !NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Services {
        Services { service_endpoints: Some(text.into()), ..Services::default() }
    }

    #[test]
    fn endpoints_are_read_by_name() {
        let remotes = services("sqs=http://127.0.0.1:1, sns=https://sns.example").remotes().unwrap();
        let seen: Vec<_> = remotes.iter().map(|(name, remote)| (*name, remote.endpoint.port)).collect();
        assert_eq!(seen, [("sqs", 1), ("sns", 443)]);
        let remotes = services("dynamodb=http://127.0.0.1:8000").remotes().unwrap();
        assert!(remotes[0].0 == "dynamodb" && is_sent_on("dynamodb") && !is_sent_on("sqs"));
    }

    #[test]
    fn what_would_be_without_effect_is_refused() {
        for text in [
            "",
            "sqs",
            "sqs=nowhere",
            "lambda=http://x",
            "=http://x",
            "Dynamo DB=http://x",
            "sqs=http://x,sqs=http://y",
        ] {
            assert!(services(text).remotes().is_err(), "{text}");
        }
        let bundle = Services { service_ca_bundle: Some("x.pem".into()), ..Services::default() };
        assert!(bundle.remotes().is_err());
        let half = Services { service_access_key_id: Some("AKIA".into()), ..services("sqs=http://x") };
        assert!(half.remotes().unwrap_err().to_string().contains("LAMBENT_SERVICE_SECRET_ACCESS_KEY"));
    }
}
