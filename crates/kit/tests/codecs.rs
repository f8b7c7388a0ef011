//! What holds for every value of every shape: written and read again it is the same, unknown members are ignored, `null`
//! is absent, and what is of the wrong type is refused wherever it stands.

use std::collections::BTreeMap;

use bytes::Bytes;
use lambent_kit::JsonMap;
use lambent_kit::smithy::{
    BlobShape, BooleanShape, BoxShape, Check, DocumentShape, DoubleShape, IntegerShape, ListShape, LongShape,
    MapShape, Members, Path, Refused, StringShape, Structure, StructureShape, TimestampShape,
};
use lambent_kit::structure;
use proptest::prelude::*;
use serde_json::{Value, json};

const PERCENT: IntegerShape = IntegerShape { min: Some(0), max: Some(100) };
const WEIGHT: DoubleShape = DoubleShape { min: Some(0.0), max: Some(1.0) };
const ANY_NUMBER: DoubleShape = DoubleShape { min: None, max: None };
const COLOUR: StringShape = StringShape { values: &["RED", "GREEN"], ..StringShape::ANY };

const fn list<C>(member: C) -> ListShape<C> {
    ListShape { member, min: None, max: None }
}

const fn map<C>(value: C) -> MapShape<C> {
    MapShape { key: StringShape::ANY, value, min: None, max: None, sensitive: false }
}

structure! {
    Leaf {
        text: String = required "Text" StringShape::ANY,
        colour: String = optional "Colour" COLOUR,
        percent: i32 = optional "Percent" PERCENT,
        size: i64 = optional "Size" LongShape { min: None, max: None },
        ratio: f64 = optional "Ratio" ANY_NUMBER,
        at: f64 = optional "At" TimestampShape,
        flag: bool = optional "Flag" BooleanShape,
        content: Bytes = optional "Content" BlobShape,
    }
}

structure! {
    Branch {
        leaf: Leaf = required "Leaf" StructureShape::<Leaf>::new(),
        leaves: Vec<Leaf> = optional "Leaves" list(StructureShape::<Leaf>::new()),
        by_name: BTreeMap<String, Leaf> = optional "ByName" map(StructureShape::<Leaf>::new()),
        inner: Box<Branch> = optional "Inner" BoxShape::<Branch>::new(),
        percents: Vec<i32> = optional "Percents" list(PERCENT),
        weights: BTreeMap<String, f64> = optional "Weights" map(WEIGHT),
        flags: Vec<bool> = optional "Flags" list(BooleanShape),
        contents: Vec<Bytes> = optional "Contents" list(BlobShape),
        rows: Vec<Vec<String>> = optional "Rows" list(list(StringShape::ANY)),
        any: Value = optional "Any" DocumentShape,
    }
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let finite = || proptest::num::f64::NORMAL | proptest::num::f64::ZERO;
    let colour = prop_oneof![Just("RED".to_owned()), Just("GREEN".to_owned())];
    (
        any::<String>(),
        proptest::option::of(colour),
        proptest::option::of(0..=100),
        any::<Option<i64>>(),
        proptest::option::of(finite()),
        proptest::option::of(finite()),
        any::<Option<bool>>(),
        any::<Option<Vec<u8>>>(),
    )
        .prop_map(|(text, colour, percent, size, ratio, at, flag, content)| Leaf {
            text,
            colour,
            percent,
            size,
            ratio,
            at,
            flag,
            content: content.map(Bytes::from),
        })
}

fn branch() -> impl Strategy<Value = Branch> {
    use proptest::collection::{btree_map, vec};
    use proptest::option::of;
    let one = || {
        let simple = (
            of(vec(0..=100, 0..4)),
            of(btree_map(any::<String>(), 0.0..=1.0, 0..4)),
            of(vec(any::<bool>(), 0..4)),
            of(vec(any::<Vec<u8>>(), 0..3)),
            of(vec(vec(any::<String>(), 0..3), 0..3)),
            of(prop_oneof![Just(json!({"a": [1, null]})), Just(json!("x")), Just(json!([]))]),
        );
        let leaves = (leaf(), of(vec(leaf(), 0..3)), of(btree_map(any::<String>(), leaf(), 0..3)));
        (leaves, simple).prop_map(|((leaf, leaves, by_name), simple)| {
            let (percents, weights, flags, contents, rows, any) = simple;
            let contents = contents.map(|all| all.into_iter().map(Bytes::from).collect());
            Branch { leaf, leaves, by_name, inner: None, percents, weights, flags, contents, rows, any }
        })
    };
    (one(), of(one())).prop_map(|(outer, inner)| Branch { inner: inner.map(Box::new), ..outer })
}

fn decode(members: JsonMap) -> Result<Branch, Refused> {
    let mut check = Check::default();
    let found = Branch::decode(&mut Members(members), &Path::ROOT, &mut check);
    check.finish(found)
}

/// Changes every structure of an encoded branch, and none of its maps and documents.
fn each_structure(branch: &mut JsonMap, change: &impl Fn(&mut JsonMap, &[&str])) {
    const LEAF: &[&str] = &["Colour", "Percent", "Size", "Ratio", "At", "Flag", "Content"];
    const BRANCH: &[&str] =
        &["Leaves", "ByName", "Inner", "Percents", "Weights", "Flags", "Contents", "Rows", "Any"];
    if let Some(inner) = branch.get_mut("Inner").and_then(Value::as_object_mut) {
        each_structure(inner, change);
    }
    let one = branch.get_mut("Leaf");
    let mut leaves: Vec<&mut Value> = one.into_iter().collect();
    leaves.iter_mut().filter_map(|leaf| leaf.as_object_mut()).for_each(|leaf| change(leaf, LEAF));
    for leaf in branch.get_mut("Leaves").and_then(Value::as_array_mut).into_iter().flatten() {
        leaf.as_object_mut().into_iter().for_each(|leaf| change(leaf, LEAF));
    }
    if let Some(by_name) = branch.get_mut("ByName").and_then(Value::as_object_mut) {
        by_name.values_mut().filter_map(Value::as_object_mut).for_each(|leaf| change(leaf, LEAF));
    }
    change(branch, BRANCH);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_again(branch in branch()) {
        let again = decode(branch.encode());
        prop_assert_eq!(format!("{:?}", again), format!("{:?}", Ok::<_, Refused>(branch)));
    }

    #[test]
    fn unknown_members_are_ignored(branch in branch(), name in "[a-z]{1,8}", nested in any::<bool>()) {
        let mut members = branch.encode();
        let unknown = if nested { json!({"Text": [1, {"Leaf": null}]}) } else { json!(1) };
        each_structure(&mut members, &|structure, _| drop(structure.insert(name.clone(), unknown.clone())));
        prop_assert_eq!(format!("{:?}", decode(members)), format!("{:?}", Ok::<_, Refused>(branch)));
    }

    #[test]
    fn null_is_absent(branch in branch()) {
        let mut members = branch.encode();
        each_structure(&mut members, &|structure, optional| {
            for name in optional {
                structure.entry(*name).or_insert(Value::Null);
            }
        });
        prop_assert_eq!(format!("{:?}", decode(members)), format!("{:?}", Ok::<_, Refused>(branch)));
    }

    #[test]
    fn a_required_member_that_is_null_or_missing_is_named(branch in branch(), missing in any::<bool>()) {
        let mut members = branch.encode();
        let leaf = members.get_mut("Leaf").and_then(Value::as_object_mut).unwrap();
        if missing { drop(leaf.remove("Text")) } else { drop(leaf.insert("Text".into(), Value::Null)) }
        let expected = "1 validation error detected: Value null at 'leaf.text' failed to satisfy constraint: Member must not be null";
        prop_assert_eq!(decode(members).unwrap_err(), Refused::Validation(expected.into()));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_inside_of_collections_too(
        branch in branch(), weight in 1.0f64..1e9, percent in 101i32..,
    ) {
        for (member, value) in [("Weights", json!({"a": weight + 0.5})), ("Percents", json!([percent, 1]))] {
            let mut members = branch.encode();
            members.insert(member.into(), value);
            let refused = decode(members);
            prop_assert!(matches!(refused, Err(Refused::Validation(_))), "{}: {:?}", member, refused);
        }
    }
}

#[test]
fn the_wrong_type_is_refused_wherever_it_stands() {
    for (member, value) in [
        ("Percents", json!(["x"])),
        ("Percents", json!([1e300])),
        ("Percents", json!([{}])),
        ("Flags", json!(["yes"])),
        ("Flags", json!([1])),
        ("Contents", json!(["%"])),
        ("Rows", json!(["x"])),
        ("Rows", json!([[[]]])),
        ("Weights", json!({"a": "x"})),
        ("Weights", json!({"a": "NaN"})),
        ("Weights", json!([])),
        ("Leaf", json!({"Text": "t", "Ratio": "inf"})),
        ("Leaf", json!({"Text": "t", "At": "NaN"})),
        ("Leaf", json!({"Text": "t", "Size": 9_223_372_036_854_775_808_u64})),
        ("Leaves", json!(["x"])),
        ("ByName", json!({"a": 1})),
        ("Inner", json!([])),
    ] {
        let mut members = JsonMap::new();
        members.insert("Leaf".into(), json!({"Text": "t"}));
        members.insert(member.into(), value.clone());
        let refused = decode(members);
        assert!(matches!(refused, Err(Refused::Serialization(_))), "{member} {value}: {refused:?}");
    }
}
