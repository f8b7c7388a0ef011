//! From method and path to an operation, for REST protocols.
//!
//! Paths come with and without a slash at the end, labels percent-encoded or raw: an ARN's `:` and `/` are encoded by
//! some clients, and by others only in part. A path is split at its raw slashes first; each label is decoded once.

/// One operation's method and path.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Segments between slashes; a label is written `{Name}`.
    pub segments: &'static [&'static str],
    /// `name=value` that the query must contain, such as `List=ALL`.
    pub query: Option<(&'static str, &'static str)>,
    /// Name of the operation.
    pub operation: &'static str,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Name of the operation.
    pub operation: &'static str,
    /// Labels by name, decoded.
    pub labels: Vec<(&'static str, String)>,
}

/// The operation that a request is for. A route with a literal query beats one without; then the one that says most of
/// the path itself: an ARN's label could swallow the words after it.
pub fn route(routes: &'static [Route], method: &str, path: &str, query: &str) -> Option<Matched> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let mut best: Option<((bool, usize, usize), Matched)> = None;
    for route in routes.iter().filter(|route| route.method == method) {
        let asked = route
            .query
            .is_none_or(|(name, value)| super::query::values(query, name).any(|found| found == value));
        if !asked {
            continue;
        }
        if let Some(labels) = labels(route.segments, &parts) {
            let words = route.segments.len() - labels.len();
            let rank = (route.query.is_some(), route.segments.len(), words);
            if best.as_ref().is_none_or(|(best, _)| rank > *best) {
                best = Some((rank, Matched { operation: route.operation, labels }));
            }
        }
    }
    best.map(|(_, matched)| matched)
}

/// Labels of a path against a route's segments. The one label that may hold raw slashes is an ARN.
fn labels(segments: &[&'static str], parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let extra = parts.len().checked_sub(segments.len())?;
    let mut labels = Vec::new();
    let mut at = 0;
    let mut spare = extra;
    for segment in segments {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            None => {
                if parts.get(at) != Some(segment) {
                    return None;
                }
                at += 1;
            }
            Some(name) => {
                let takes = if spare > 0 && parts.get(at).is_some_and(|part| part.starts_with("arn")) {
                    1 + spare
                } else {
                    1
                };
                if takes > 1 {
                    spare = 0;
                }
                let text = parts.get(at..at + takes)?.join("/");
                at += takes;
                let decoded = percent_encoding::percent_decode_str(&text).decode_utf8().ok()?.into_owned();
                if decoded.is_empty() {
                    return None;
                }
                labels.push((name, decoded));
            }
        }
    }
    (at == parts.len()).then_some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[Route] = &[
        Route { method: "GET", segments: &["v1", "f"], query: None, operation: "List" },
        Route { method: "GET", segments: &["v1", "f", "{Name}"], query: None, operation: "Get" },
        Route { method: "GET", segments: &["v1", "f", "{Name}", "pc"], query: None, operation: "GetPc" },
        Route {
            method: "GET",
            segments: &["v1", "f", "{Name}", "pc"],
            query: Some(("List", "ALL")),
            operation: "ListPc",
        },
        Route { method: "GET", segments: &["tags", "{Arn}"], query: None, operation: "Tags" },
    ];

    fn found(path: &str, query: &str) -> Option<(&'static str, Vec<String>)> {
        route(ROUTES, "GET", path, query)
            .map(|found| (found.operation, found.labels.into_iter().map(|(_, text)| text).collect()))
    }

    #[test]
    fn both_forms_of_a_path_lead_to_the_operation() {
        assert_eq!(found("/v1/f", ""), Some(("List", vec![])));
        assert_eq!(found("/v1/f/", ""), Some(("List", vec![])));
        assert_eq!(found("/v1/f/x", ""), Some(("Get", vec!["x".into()])));
        assert_eq!(found("/v1/f/x/", ""), Some(("Get", vec!["x".into()])));
        assert_eq!(found("/v1/g", ""), None);
        assert_eq!(found("/v1/f//pc", ""), None);
    }

    #[test]
    fn a_literal_query_decides_between_operations() {
        assert_eq!(found("/v1/f/x/pc", "Qualifier=1").unwrap().0, "GetPc");
        assert_eq!(found("/v1/f/x/pc", "List=ALL").unwrap().0, "ListPc");
    }

    #[test]
    fn an_arn_is_understood_encoded_and_raw() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
        assert_eq!(found(&format!("/tags/{arn}"), ""), Some(("Tags", vec![arn.into()])));
        assert_eq!(
            found(&format!("/tags/{}", arn.replace(':', "%3A")), ""),
            Some(("Tags", vec![arn.into()]))
        );
        assert_eq!(found("/tags/arn:a/b%2Fc", "").unwrap().1, ["arn:a/b/c"]);
        for written in [arn, &arn.replace(':', "%3A")] {
            assert_eq!(found(&format!("/v1/f/{written}/pc"), ""), Some(("GetPc", vec![arn.into()])));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_makes_the_router_panic(path in "[/a-z0-9%{}:]{0,60}", query in "[a-zA-Z=&%]{0,20}") {
            let _ = route(ROUTES, "GET", &path, &query);
        }
    }
}
