//! Services that this server does not have, and that are configured to be elsewhere: requests are sent on. With
//! credentials they are signed anew, since a signature is for one host; without, whoever answers there gets what the
//! client has signed, and learns region and access key from it, which is all that other emulators look at.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, Request, Response};
use lambent_api_kit::absent;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::aws_client::{AwsClient, Principal, ServiceRequest};

use crate::cli::services::is_sent_on;
use crate::own_client::OwnClient;

/// Of one connection, or made anew for the next.
const NOT_SENT_ON: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];

/// One of them.
struct Elsewhere {
    name: &'static str,
    client: Arc<dyn AwsClient>,
}

/// All that requests are sent on to.
pub(crate) fn services(client: &Arc<OwnClient>) -> Vec<Arc<dyn ApiService>> {
    let service = |name| {
        let client = Arc::clone(client) as Arc<dyn AwsClient>;
        Arc::new(Elsewhere { name, client }) as Arc<dyn ApiService>
    };
    client.elsewhere().filter(|name| is_sent_on(name)).map(service).collect()
}

fn without_connection(headers: &mut HeaderMap) {
    NOT_SENT_ON.iter().for_each(|name| drop(headers.remove(name)));
}

#[async_trait]
impl ApiService for Elsewhere {
    fn signing_name(&self) -> &'static str {
        self.name
    }

    async fn call(&self, request: ApiRequest) -> Response<Bytes> {
        let ApiRequest { method, uri, mut headers, body, scope, caller, request_id, .. } = request;
        // For the protocol of an error.
        let mut asked = Request::new(());
        (*asked.uri_mut(), *asked.headers_mut()) = (uri.clone(), headers.clone());
        without_connection(&mut headers);
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let principal = caller.principal.unwrap_or(Principal::Role(String::new()));
        let service = self.name;
        let sent =
            self.client.call(ServiceRequest { service, scope, principal, method, target, headers, body });
        match sent.await {
            Ok(mut answer) => {
                without_connection(answer.headers_mut());
                answer
            }
            Err(error) => {
                absent::not_reached(service, &asked.into_parts().0, &error.to_string(), &request_id)
            }
        }
    }
}
