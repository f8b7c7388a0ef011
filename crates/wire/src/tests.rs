use bytes::Bytes;
use http::HeaderMap;
use lambent_kit::smithy::http_binding::Request;
use lambent_kit::smithy::{Operation, Refused, router};
use proptest::prelude::*;

use crate::lambda::operations::{CreateFunction, ListFunctions, PublishLayerVersion, UntagResource};
use crate::{cloudwatch, events, iam, lambda, logs, scheduler, sns, sqs, sts};

fn decode<O: Operation>(
    labels: &[(&'static str, String)],
    query: &str,
    body: &str,
) -> Result<O::Input, Refused> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    O::decode(&Request { labels, query, headers: &HeaderMap::new(), body: &body })
}

fn refused(body: &str) -> String {
    match decode::<CreateFunction>(&[], "", body) {
        Err(Refused::Validation(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_pattern_of_the_models_compiles() {
    let services = [
        cloudwatch::shapes::PATTERNS,
        events::shapes::PATTERNS,
        iam::shapes::PATTERNS,
        lambda::shapes::PATTERNS,
        logs::shapes::PATTERNS,
        scheduler::shapes::PATTERNS,
        sns::shapes::PATTERNS,
        sqs::shapes::PATTERNS,
        sts::shapes::PATTERNS,
    ];
    for pattern in services.concat() {
        assert!(pattern.compiles(), "{pattern:?}");
    }
}

#[test]
fn missing_members_are_named_as_aws_names_them() {
    assert_eq!(
        refused(r#"{"FunctionName": "f", "Code": {}}"#),
        "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"
    );
}

const ROLE: &str = r#""Role": "arn:aws:iam::123456789012:role/r", "Code": {}"#;

#[test]
fn constraints_print_as_aws_prints_them() {
    let text = refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "Architectures": ["x86_64", "arm64"]}}"#));
    assert_eq!(
        text,
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"
    );
    let text =
        refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "Architectures": ["z80"], "Timeout": 901}}"#));
    assert!(text.starts_with("2 validation errors detected: "), "{text}");
    assert!(text.contains("Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"), "{text}");
    assert!(text.contains("Value '[z80]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"), "{text}");
    let text = refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "SnapStart": {{"ApplyOn": "x"}}}}"#));
    assert!(text.contains("at 'snapStart.applyOn'"), "{text}");
    let text = refused(r#"{"FunctionName": "f", "Role": "nobody", "Code": {}}"#);
    assert!(text.contains(r"Value 'nobody' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"), "{text}");
}

#[test]
fn a_wrong_json_type_is_no_validation_error() {
    let result = decode::<CreateFunction>(&[], "", &format!(r#"{{"FunctionName": ["f"], {ROLE}}}"#));
    assert!(matches!(result, Err(Refused::Serialization(_))), "{result:?}");
    assert!(matches!(decode::<CreateFunction>(&[], "", "{"), Err(Refused::Serialization(_))));
}

#[test]
fn unknown_members_are_ignored_and_null_is_absent() {
    let body = format!(r#"{{"FunctionName": "f", {ROLE}, "Nonsense": 1, "Timeout": null}}"#);
    let input = decode::<CreateFunction>(&[], "", &body).unwrap();
    assert_eq!((input.function_name.as_str(), input.timeout), ("f", None));
}

#[test]
fn members_come_from_path_and_query() {
    let input = decode::<ListFunctions>(&[], "MaxItems=7&Marker=a%2Bb", "").unwrap();
    assert_eq!((input.max_items, input.marker.as_deref()), (Some(7), Some("a+b")));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let input = decode::<UntagResource>(&[("Resource", arn.into())], "tagKeys=a&tagKeys=b", "").unwrap();
    assert_eq!(input.tag_keys, ["a", "b"]);
    let missing = decode::<UntagResource>(&[("Resource", arn.into())], "", "");
    let expected = "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null";
    assert_eq!(missing.unwrap_err(), Refused::Validation(expected.into()));
}

#[test]
fn each_operation_has_a_route() {
    assert_eq!(lambda::OPERATIONS.len(), lambda::ROUTES.len());
}

/// A label with how it stands in the path.
fn label() -> impl Strategy<Value = (String, String)> {
    let encoded = |text: String| {
        let path = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        (text.clone(), path.to_string())
    };
    let raw = |text: String| (text.clone(), text);
    prop_oneof![
        any::<String>().prop_filter("a label has text", |text| !text.is_empty()).prop_map(encoded),
        "[a-zA-Z0-9:_.$@+*-]{1,60}".prop_map(raw),
        "arn:aws:lambda:us-east-1:[0-9]{12}:function:[a-z]{1,20}(:[0-9]{1,3})?".prop_map(raw),
        "arn:aws:lambda:us-east-1:[0-9]{12}:layer:[a-z/]{1,20}".prop_map(encoded),
    ]
}

proptest! {
    #[test]
    fn each_route_leads_to_its_operation_and_gives_its_labels_back(
        labels in proptest::collection::vec(label(), 4),
        slash in any::<bool>(),
        more in "(&[a-z]{1,5}=[a-z%+]{0,5})?",
    ) {
        for route in lambda::ROUTES {
            let mut given = labels.iter();
            let mut expected = Vec::new();
            let mut path = String::new();
            for segment in route.segments {
                let part = match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => {
                        let (text, part) = given.next().expect("no route has more labels");
                        expected.push((name, text.clone()));
                        part
                    }
                    None => *segment,
                };
                path = format!("{path}/{part}");
            }
            if slash {
                path.push('/');
            }
            let query = route.query.map(|(key, value)| format!("{key}={value}")).unwrap_or_default() + &more;
            let found = router::route(lambda::ROUTES, route.method, &path, &query);
            let expected = router::Matched { operation: route.operation, labels: expected };
            prop_assert_eq!(found, Some(expected), "{} {}?{}", route.method, path, query);
        }
    }

    #[test]
    fn an_arn_with_raw_slashes_is_one_label(rest in "[a-z]{1,5}(/[a-z%:]{1,5}){1,4}", slash in any::<bool>()) {
        let arn = format!("arn:{}", rest.replace('%', "%25"));
        let path = format!("/2017-03-31/tags/{arn}{}", if slash { "/" } else { "" });
        let found = router::route(lambda::ROUTES, "GET", &path, "");
        let labels = vec![("Resource", format!("arn:{rest}"))];
        prop_assert_eq!(found, Some(router::Matched { operation: "ListTags", labels }));
    }
}

#[test]
fn error_members_are_spelled_as_the_service_spells_them() {
    let spelled = |code: &str| {
        let error = lambda::errors::ALL.iter().find(|error| error.code == code).unwrap();
        (error.status, error.message_member)
    };
    assert_eq!(spelled("ResourceNotFoundException"), (404, "Message"));
    assert_eq!(spelled("ResourceConflictException"), (409, "message"));
    assert_eq!(spelled("RequestEntityTooLargeException"), (413, "Message"));
}

#[test]
fn runtimes_of_layers_are_reported_bare_and_before_architectures() {
    let body = r#"{"Content": {}, "CompatibleRuntimes": ["x", "python3.12"], "CompatibleArchitectures": ["z80", "x86_64"]}"#;
    let refused = decode::<PublishLayerVersion>(&[("LayerName", "l".into())], "", body).unwrap_err();
    let Refused::Validation(text) = refused else { panic!("{refused:?}") };
    assert!(text.starts_with("2 validation errors detected: Value '[x, python3.12]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, "), "{text}");
    assert!(text.ends_with(", java8.al2]; Value '[z80, x86_64]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"), "{text}");
}
