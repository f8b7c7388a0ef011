//! The language as a whole: what AWS was recorded to answer, its refusals, and what holds for any pattern.

use lambent_event_pattern::{Event, Pattern, PatternSet};
use proptest::prelude::*;
use serde_json::{Value, json};

fn matches(pattern: &str, event: &str) -> bool {
    Pattern::compile(pattern).unwrap().matches(&Event::parse(event).unwrap())
}

fn refusal(pattern: &str) -> String {
    Pattern::compile(pattern).unwrap_err().to_string()
}

#[test]
fn recorded_cases_are_answered_as_recorded() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).unwrap();
    assert!(cases.len() > 70);
    for case in cases {
        let (pattern, event) = (case["pattern"].to_string(), case["event"].to_string());
        let answer = match Pattern::compile(&pattern) {
            Ok(compiled) => json!(compiled.matches(&Event::parse(&event).unwrap())),
            Err(_) => json!("refused"),
        };
        assert_eq!(answer, case["answer"], "{}", case["name"]);
    }
}

/// Texts and places recorded from SNS, whose filter policies are the same language.
#[test]
fn refusals_are_recorded_ones() {
    let at = |pattern: &str, column: u32| {
        format!("\n at [Source: (String)\"{pattern}\"; line: 1, column: {column}]")
    };
    for (pattern, reason, column) in [
        (r#"{"key":[{"exists":null}]}"#, "exists match pattern must be either true or false.", 23),
        (r#"{"key":[{"exists":"no"}]}"#, "exists match pattern must be either true or false.", 20),
        (r#"{"key":[{"cidr":["bad-filter"]}]}"#, "prefix match pattern must be a string", 18),
        (r#"{"key":[]}"#, "Empty arrays are not allowed", 10),
        (r#"{"key":[{"suffix":[]}]}"#, "suffix match pattern must be a string", 20),
        (r#"{"key":[{"suffix":null}]}"#, "suffix match pattern must be a string", 23),
        (r#"{"key":[{"suffix":100}]}"#, "suffix match pattern must be a string", 22),
        (r#"{"key":[{"suffix":["test","test2"]}]}"#, "suffix match pattern must be a string", 20),
        (r#"{"key":{"not-an-operator":"value"}}"#, r#""not-an-operator" must be an object or an array"#, 28),
        (r#"{"key":{"suffix":"value"}}"#, r#""suffix" must be an object or an array"#, 19),
        (r#"{"key":{"suffix":"value","prefix":"value"}}"#, r#""suffix" must be an object or an array"#, 19),
    ] {
        assert_eq!(refusal(pattern), format!("{reason}{}", at(pattern, column)));
    }
    for (pattern, whole) in [
        (r#"{"key":[{"cidr":"bad-filter"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"key":[{"cidr":"bad-filter/64"}]}"#, "Nonstandard IP address: bad-filter"),
        (r#"{"key":[{"cidr":"bad-/64filter"}]}"#, "Malformed CIDR, mask bits must be an integer"),
        (r#"{"key":[{"cidr":"xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx"),
    ] {
        assert_eq!(refusal(pattern), whole);
    }
}

#[test]
fn other_refusals_have_aws_reasons() {
    for (pattern, reason) in [
        ("[]", "Filter is not an object"),
        ("", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"int":42}"#, r#""int" must be an object or an array"#),
        (r#"{"a":[[1]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a":[{}]}"#, "Match expression name not found"),
        (r#"{"a":[{"NUMERIC":["=",5]}]}"#, "Unrecognized match type NUMERIC"),
        (r#"{"a":[{"numeric":5}]}"#, "Value of numeric must be an array."),
        (r#"{"a":[{"numeric":[]}]}"#, "Invalid member in numeric match: ]"),
        (r#"{"a":[{"numeric":["<","5"]}]}"#, "Value of < must be numeric"),
        (r#"{"a":[{"numeric":["=","5"]}]}"#, "Value of equals must be numeric"),
        (r#"{"a":[{"numeric":["!",5]}]}"#, "Unrecognized numeric range operator: !"),
        (r#"{"a":[{"numeric":["<",5,">",1]}]}"#, "Too many elements in numeric expression"),
        (r#"{"a":[{"numeric":[">",0,">",1]}]}"#, "Bad numeric range operator: >"),
        (r#"{"a":[{"numeric":[">",0,"<",1,2]}]}"#, "Too many terms in numeric range expression"),
        (r#"{"a":[{"numeric":[">",5,"<",1]}]}"#, "Bottom must be less than top"),
        (r#"{"a":[{"numeric":[">",6e9]}]}"#, "Value must be between -5.0E9 and 5.0E9, inclusive"),
        (r#"{"a":[{"wildcard":1}]}"#, "wildcard match pattern must be a string"),
        (r#"{"a":[{"equals-ignore-case":1}]}"#, "equals-ignore-case match pattern must be a string"),
        (r#"{"a":[{"prefix":{"suffix":"x"}}]}"#, "Unsupported prefix pattern: suffix"),
        (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "Only one key allowed in match expression"),
        (
            r#"{"a":[{"anything-but":null}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (r#"{"a":[{"anything-but":{"suffix":""}}]}"#, "Null prefix/suffix not allowed"),
        (
            r#"{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"f"}}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (r#"{"a":[{"anything-but":{"cidr":"f"}}]}"#, "Unsupported anything-but pattern: cidr"),
        (r#"{"$or":[{"a":[1]}]}"#, "There must have at least 2 Objects in $or relationship."),
        (r#"{"$or":{"a":[1]}}"#, "It must be an Array followed with $or."),
        (r#"{"$or":[1,2]}"#, "Only JSON object is allowed in array of $or relationship."),
        (
            r#"{"$or":[{"prefix":[1]},{"a":[1]}]}"#,
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
    ] {
        assert_eq!(Pattern::compile(pattern).unwrap_err().reason(), reason, "{pattern}");
    }
    let mixed = refusal(r#"{"a":[{"anything-but":[1,"x"]}]}"#);
    assert!(mixed.starts_with("Inside anything but list, either all values are number or string"));
    assert!(
        refusal(r#"{"a":[{"anything-but":[null]}]}"#)
            .starts_with("Inside anything but list, start|null|boolean is not supported.\n at [")
    );
}

#[test]
fn numbers_are_equal_by_form_and_compared_by_value() {
    assert!(matches(r#"{"a":[300]}"#, r#"{"a":300}"#));
    assert!(!matches(r#"{"a":[300]}"#, r#"{"a":300.0}"#));
    assert!(!matches(r#"{"a":[300]}"#, r#"{"a":"300"}"#));
    assert!(matches(r#"{"a":[{"numeric":["=",300]}]}"#, r#"{"a":3.0e2}"#));
    assert!(matches(r#"{"a":[123456789012]}"#, r#"{"a":123456789012}"#));
    assert!(matches(r#"{"a":[{"anything-but":[300]}]}"#, r#"{"a":301}"#));
    assert!(!matches(r#"{"a":[{"anything-but":[300]}]}"#, r#"{"a":300.0}"#));
    assert!(!matches(r#"{"a":[{"numeric":[">",0]}]}"#, r#"{"a":"1"}"#));
}

#[test]
fn absence_and_emptiness_are_told_apart() {
    assert!(matches(r#"{"a":[null]}"#, r#"{"a":null}"#) && !matches(r#"{"a":[null]}"#, "{}"));
    assert!(matches(r#"{"a":[""]}"#, r#"{"a":""}"#) && !matches(r#"{"a":[""]}"#, r#"{"a":null}"#));
    assert!(matches(r#"{"a":[{"prefix":""}]}"#, r#"{"a":"x"}"#));
    assert!(!matches(r#"{"a":[{"exists":true}]}"#, r#"{"a":[]}"#));
    assert!(matches(r#"{"a":[{"exists":false}]}"#, r#"{"a":{"b":1}}"#));
    assert!(matches(r#"{"a":["x",{"exists":false}]}"#, r#"{"b":1}"#));
    assert!(!matches(r#"{"a":["x",{"exists":false}]}"#, r#"{"a":"y"}"#));
}

#[test]
fn fields_of_one_array_are_met_by_one_element() {
    let event = r#"{"a":[{"x":1,"y":2},{"x":3,"y":4}],"tags":["p","q"]}"#;
    assert!(matches(r#"{"a":{"x":[1],"y":[2]}}"#, event));
    assert!(!matches(r#"{"a":{"x":[1],"y":[4]}}"#, event));
    assert!(matches(r#"{"a":{"x":[1]},"tags":["q"]}"#, event));
    let nested = r#"{"a":[{"x":1,"b":[{"y":2},{"y":3}]},{"x":4,"b":[{"y":5,"z":6},{"y":7,"z":8}]}]}"#;
    assert!(matches(r#"{"a":{"x":[1],"b":{"y":[3]}}}"#, nested));
    assert!(!matches(r#"{"a":{"x":[1],"b":{"y":[5]}}}"#, nested));
    assert!(!matches(r#"{"a":{"x":[4],"b":{"y":[5],"z":[8]}}}"#, nested));
    let dotted = r#"{"a":[{"x":1}],"a.y":2}"#;
    assert!(matches(r#"{"a":{"x":[1],"y":[2]}}"#, dotted));
    let twice = r#"{"a":[{"x":1}],"a":[{"y":2}]}"#;
    assert!(matches(r#"{"a":{"x":[1],"y":[2]}}"#, twice));
}

#[test]
fn alternatives_combine_with_what_is_beside_them() {
    let pattern = r#"{"s":["o"],"$or":[{"a":[1]},{"b":[2],"c":[3]},{"d":{"$or":[{"e":[4]},{"f":[5]}]}}]}"#;
    for (event, expected) in [
        (r#"{"s":"o","a":1}"#, true),
        (r#"{"s":"o","b":2}"#, false),
        (r#"{"s":"o","b":2,"c":3}"#, true),
        (r#"{"s":"o","d":{"f":5}}"#, true),
        (r#"{"s":"x","a":1}"#, false),
    ] {
        assert_eq!(matches(pattern, event), expected, "{event}");
    }
    assert_eq!(Pattern::compile(pattern).unwrap().branches().count(), 4);
}

#[test]
fn case_is_ignored_where_it_is_said() {
    for pattern in [
        r#"{"a":[{"equals-ignore-case":"STRASSE É"}]}"#,
        r#"{"a":[{"prefix":{"equals-ignore-case":"STR"}}]}"#,
        r#"{"a":[{"suffix":{"equals-ignore-case":"SSE é"}}]}"#,
    ] {
        assert!(matches(pattern, r#"{"a":"Strasse É"}"#), "{pattern}");
    }
    assert!(!matches(r#"{"a":[{"anything-but":{"equals-ignore-case":["x","Y"]}}]}"#, r#"{"a":"y"}"#));
}

#[test]
fn an_address_is_equal_in_all_its_forms() {
    assert!(matches(r#"{"a":["::1"]}"#, r#"{"a":"0:0:0:0:0:0:0:1"}"#));
    assert!(matches(r#"{"a":["a:b"]}"#, r#"{"a":"a:b"}"#));
}

#[test]
fn events_are_one_object() {
    for wrong in ["[]", "1", "\"x\"", "", "{", "{} {}", r#"{"a":}"#, "not json"] {
        assert!(Event::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn hostile_sizes_end() {
    let deep = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
    assert!(Event::parse(&deep).is_err());
    assert!(Pattern::compile(&"{\"a\":".repeat(2_000)).is_err());
    let objects = (0..2_000).map(|n| format!(r#"{{"x":{},"y":{}}}"#, n % 2, (n + 1) % 2)).collect::<Vec<_>>();
    let event = format!(r#"{{"a":[{0}],"b":[{0}],"a":[{0}]}}"#, objects.join(","));
    assert!(!matches(r#"{"b":{"x":[1],"y":[1]},"a":{"x":[1],"y":[0]}}"#, &event));
    let many = format!(r#"{{"$or":[{}]}}"#, vec![r#"{"a":[1]}"#; 1_001].join(","));
    assert!(refusal(&many).starts_with("Rule is too complex"));
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]{0,2}".prop_map(Value::from),
        (0..3_i32).prop_map(Value::from),
        Just(json!(true)),
        Just(Value::Null),
        Just(json!("10.0.0.1")),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => leaf(),
        1 => "[ab]{0,2}".prop_map(|text| json!({"prefix": text})),
        1 => "[ab]{0,2}".prop_map(|text| json!({"suffix": text})),
        1 => "[ab*]{0,1}".prop_map(|text| json!({"wildcard": text})),
        1 => any::<bool>().prop_map(|there| json!({"exists": there})),
        1 => "[ab]{1,2}".prop_map(|text| json!({"anything-but": [text]})),
        1 => (0..3_i32).prop_map(|number| json!({"numeric": [">", number]})),
        1 => Just(json!({"cidr": "10.0.0.0/24"})),
    ]
}

fn field() -> impl Strategy<Value = Value> {
    proptest::collection::vec(condition(), 1..3).prop_map(Value::from)
}

fn pattern() -> impl Strategy<Value = Value> {
    let object = proptest::collection::btree_map("[xyz]", field(), 1..3);
    object
        .prop_recursive(2, 8, 3, |inner| {
            proptest::collection::btree_map(
                "[xyz]",
                prop_oneof![field(), inner.prop_map(|map| json!(map))],
                1..3,
            )
        })
        .prop_map(|map| json!(map))
}

fn event() -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[xyz]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    proptest::collection::btree_map("[xyz]", value, 0..4).prop_map(|map| json!(map))
}

/// The language by its description, on trees: slow and plain. An object's pattern is met by an object, or by one element of an array.
fn reference(pattern: &Value, event: Option<&Value>) -> bool {
    match (pattern, event) {
        (Value::Object(fields), Some(Value::Object(members))) => {
            fields.iter().all(|(name, inner)| reference(inner, members.get(name)))
        }
        (Value::Object(_), Some(Value::Array(elements))) if !elements.is_empty() => {
            elements.iter().any(|element| reference(pattern, Some(element)))
        }
        (Value::Object(fields), _) => fields.values().all(|inner| reference(inner, None)),
        (Value::Array(conditions), _) => {
            let leaves = leaves(event);
            conditions.iter().any(|condition| {
                if condition == &json!({"exists": false}) {
                    return leaves.is_empty();
                }
                leaves.iter().any(|leaf| meets(condition, leaf))
            })
        }
        _ => unreachable!("a pattern is made of objects and arrays"),
    }
}

fn leaves(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().flat_map(|element| leaves(Some(element))).collect(),
        Some(leaf) => vec![leaf],
    }
}

fn meets(condition: &Value, leaf: &Value) -> bool {
    let Value::Object(operator) = condition else { return condition == leaf };
    let (name, argument) = operator.iter().next().unwrap();
    let (text, wanted) = (leaf.as_str(), argument.as_str().unwrap_or_default());
    match name.as_str() {
        "prefix" => text.is_some_and(|text| text.starts_with(wanted)),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted)),
        "wildcard" => text.is_some_and(|text| wanted == "*" || text == wanted),
        "exists" => true,
        "anything-but" => &argument[0] != leaf,
        "numeric" => leaf.as_i64().is_some_and(|number| number > argument[1].as_i64().unwrap()),
        "cidr" => text == Some("10.0.0.1"),
        other => unreachable!("{other}"),
    }
}

/// Absence is of a path in the whole event, which trees with arrays on the way don't say: those are left out.
fn comparable(pattern: &Value, event: &Value) -> bool {
    !pattern.to_string().contains(r#""exists":false"#) || !event.to_string().contains('[')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_agrees_with_the_plain_definition(pattern in pattern(), event in event()) {
        prop_assume!(comparable(&pattern, &event));
        prop_assert_eq!(matches(&pattern.to_string(), &event.to_string()), reference(&pattern, Some(&event)));
    }

    #[test]
    fn a_set_finds_what_each_pattern_says(
        patterns in proptest::collection::vec(pattern(), 1..12),
        removed in proptest::collection::vec(0..12_usize, 0..4),
        event in event(),
    ) {
        let mut set = PatternSet::default();
        let compiled: Vec<Pattern> =
            patterns.iter().map(|pattern| Pattern::compile(&pattern.to_string()).unwrap()).collect();
        for (key, pattern) in compiled.iter().enumerate() {
            set.insert(key, pattern.clone());
        }
        for key in &removed {
            set.remove(key);
        }
        let text = event.to_string();
        let event = Event::parse(&text).unwrap();
        let mut found: Vec<usize> = set.matches(&event).into_iter().copied().collect();
        found.sort_unstable();
        let expected: Vec<usize> = (0..compiled.len())
            .filter(|key| !removed.contains(key) && compiled[*key].matches(&event))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,40}") {
        let _ = Pattern::compile(&text);
        let _ = Event::parse(&text);
    }
}
