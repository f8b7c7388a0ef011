//! POST of a form to a bucket: becomes the PUT of its file, once its policy allows it.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use lambent_kit::sigv4::uri_encode;
use lambent_ports::api::{ApiRequest, Body, whole};

use crate::asked::header;
use crate::fault::{Fault, escaped};
use crate::form::{self, Form};
use crate::post_policy::{self, Sizes};

/// Fields that are headers of a PUT under the same name.
const HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// What the client hears when the file is stored.
pub(crate) struct Posted {
    bucket: String,
    key: String,
    location: String,
    redirect: Option<String>,
    status: StatusCode,
    /// How large the file may be.
    pub(crate) sizes: Sizes,
}

/// Whether it has to be a form: every other POST says in its query what it wants.
pub(crate) fn is_form(request: &ApiRequest<Body>) -> bool {
    request.method == Method::POST && request.uri.query().unwrap_or_default().is_empty()
}

/// The PUT that a form stands for.
pub(crate) async fn put_of(
    request: ApiRequest<Body>,
    bucket: &str,
    in_host: bool,
    now_ms: u64,
) -> Result<(ApiRequest<Body>, Posted), Fault> {
    let kind = header(&request.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let boundary = form::boundary(kind).filter(|_| kind.starts_with("multipart/form-data"));
    let boundary = boundary.ok_or_else(|| {
        Fault::precondition("Bucket POST must be of the enclosure-type multipart/form-data")
    })?;
    let boundary = boundary.to_owned();
    let mut form = form::read(request.body, &boundary).await?;
    let Some(key) = form.field("key") else {
        let message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
        return Err(Fault::invalid_argument(message, "key", ""));
    };
    let key = match &form.filename {
        Some(name) => key.replace("${filename}", name),
        None => key.to_owned(),
    };
    let sizes = post_policy::check(&form, bucket, now_ms)?;
    let path = match in_host {
        true => format!("/{}", encoded(&key)),
        false => format!("/{}/{}", encoded(bucket), encoded(&key)),
    };
    let file = std::mem::replace(&mut form.file, whole(bytes::Bytes::new()));
    let posted = Posted {
        bucket: bucket.to_owned(),
        location: format!("{}{path}", request.base_url),
        redirect: redirect(&form, bucket, &key),
        status: match form.field("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        },
        key,
        sizes,
    };
    let headers = headers(request.headers, &form)?;
    let uri = Uri::try_from(path).map_err(Fault::internal)?;
    Ok((ApiRequest { method: Method::PUT, uri, headers, body: file, ..request }, posted))
}

fn encoded(text: &str) -> String {
    uri_encode(text.as_bytes(), true)
}

fn in_query(text: &str) -> String {
    uri_encode(text.as_bytes(), false)
}

/// The request's own headers, but for those of its body, and what fields say of the object.
fn headers(mut headers: HeaderMap, form: &Form) -> Result<HeaderMap, Fault> {
    let of_body = |name: &HeaderName| {
        *name == CONTENT_TYPE || *name == CONTENT_LENGTH || name.as_str().starts_with("content-")
    };
    let gone: Vec<HeaderName> = headers.keys().filter(|name| of_body(name)).cloned().collect();
    gone.iter().for_each(|name| drop(headers.remove(name)));
    for (name, value) in &form.fields {
        let signature =
            ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token"];
        let header = match name.as_str() {
            "acl" => "x-amz-acl",
            "tagging" => return Err(Fault::not_implemented("The field tagging of forms is not implemented")),
            name if signature.contains(&name) => continue,
            name if HEADERS.contains(&name) || name.starts_with("x-amz-") => name,
            _ => continue,
        };
        let parsed = (HeaderName::try_from(header), HeaderValue::from_bytes(value.as_bytes()));
        let (Ok(header), Ok(value)) = parsed else {
            return Err(Fault::invalid_argument("Invalid field", name, value.as_str()));
        };
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Where a browser is sent: what is stored is told in the query, once the tag is known.
fn redirect(form: &Form, bucket: &str, key: &str) -> Option<String> {
    let url = form.field("success_action_redirect").or_else(|| form.field("redirect"))?;
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    let joint = if url.contains('?') { '&' } else { '?' };
    is_url.then(|| format!("{url}{joint}bucket={}&key={}", in_query(bucket), in_query(key)))
}

impl Posted {
    /// AWS's answer to a form, from that to the PUT.
    pub(crate) fn answer(self, put: Response<Body>) -> Response<Body> {
        if !put.status().is_success() {
            return put;
        }
        let (mut head, _) = put.into_parts();
        let etag = header(&head.headers, "etag").unwrap_or_default().to_owned();
        let location = match &self.redirect {
            Some(url) => format!("{url}&etag={}", in_query(&etag)),
            None => self.location.clone(),
        };
        if let Ok(location) = HeaderValue::from_str(&location) {
            head.headers.insert(LOCATION, location);
        }
        head.status = if self.redirect.is_some() { StatusCode::SEE_OTHER } else { self.status };
        let body = if head.status == StatusCode::CREATED {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            let [location, bucket, key, etag] =
                [&location, &self.bucket, &self.key, &etag].map(|text| escaped(text));
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{location}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag></PostResponse>"
            )
        } else {
            String::new()
        };
        head.headers.remove(CONTENT_LENGTH);
        Response::from_parts(head, whole(body.into()))
    }
}
