//! Lambda's router. Input: `METHOD /path?query`.

use lambent_kit::smithy::router::route;
use lambent_wire::lambda::ROUTES;

/// A match's labels are never empty and are the route's own; a slash at the end changes nothing.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (method, uri) = text.split_once(' ').unwrap_or(("GET", &text));
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let Some(found) = route(ROUTES, method, path, query) else {
        return;
    };
    let taken = ROUTES.iter().find(|route| route.operation == found.operation).expect("a route of the model");
    assert_eq!(taken.method, method);
    let names: Vec<String> = found.labels.iter().map(|(name, _)| format!("{{{name}}}")).collect();
    let expected: Vec<&str> =
        taken.segments.iter().copied().filter(|segment| segment.starts_with('{')).collect();
    assert_eq!(names, expected, "labels of {}", found.operation);
    assert!(found.labels.iter().all(|(_, text)| !text.is_empty()), "an empty label of {}", found.operation);
    if !path.ends_with('/') {
        assert_eq!(route(ROUTES, method, &format!("{path}/"), query).as_ref(), Some(&found));
    }
}
