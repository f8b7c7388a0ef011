//! Packages from this server's own S3, when no other is configured.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::sigv4::uri_encode;
use lambent_ports::aws_client::{AwsClient, Principal, ServiceRequest};
use lambent_ports::code_source::{CodeSource, CodeSourceError, S3Object};

/// Asks like any client of S3.
pub(crate) struct OwnCode {
    pub(crate) client: Arc<dyn AwsClient>,
    pub(crate) account: AccountId,
}

impl OwnCode {
    async fn ask(
        &self,
        method: Method,
        object: &S3Object,
        region: &Region,
    ) -> Result<Response<Bytes>, CodeSourceError> {
        let (bucket, key) =
            (uri_encode(object.bucket.as_bytes(), false), uri_encode(object.key.as_bytes(), true));
        let version =
            object.version.as_ref().map(|id| format!("?versionId={}", uri_encode(id.as_bytes(), false)));
        let request = ServiceRequest {
            service: "s3",
            scope: Scope { account: self.account.clone(), region: region.clone() },
            principal: match &object.asker {
                Some(asker) => Principal::Asker(Box::new(asker.clone())),
                None => Principal::Service { name: "lambda.amazonaws.com", source_arn: String::new() },
            },
            method,
            target: format!("/{bucket}/{key}{}", version.unwrap_or_default()),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let answer = self.client.call(request).await;
        answer.map_err(|error| CodeSourceError::Unreachable(error.to_string()))
    }

    async fn get(
        &self,
        object: &S3Object,
        region: &Region,
        max_bytes: usize,
    ) -> Result<Bytes, CodeSourceError> {
        // An object can be larger than memory; its head says so.
        let head = self.ask(Method::HEAD, object, region).await?;
        let length =
            head.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        if head.status().is_success() && length.is_none_or(|length: usize| length > max_bytes) {
            return Err(CodeSourceError::TooLarge { max_bytes });
        }
        let answer = self.ask(Method::GET, object, region).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let element = |name: &str| {
            let rest = text.split_once(&format!("<{name}>"))?.1;
            Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
        };
        let code = element("Code").unwrap_or_else(|| answer.status().as_u16().to_string());
        Err(CodeSourceError::Refused { code, message: element("Message").unwrap_or_default() })
    }
}

#[async_trait]
impl CodeSource for OwnCode {
    async fn fetch(
        &self,
        object: &S3Object,
        region: &Region,
        max_bytes: usize,
        within: Duration,
    ) -> Result<Bytes, CodeSourceError> {
        let fetched = tokio::time::timeout(within, self.get(object, region, max_bytes)).await;
        fetched.unwrap_or(Err(CodeSourceError::TimedOut(within)))
    }
}
