//! Paths into events: `$.detail.items[0].name`, with `*` for all elements.

use serde_json::Value;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
    Every,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Step>);

impl JsonPath {
    /// `None` for what is no path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = step(rest)?;
            steps.push(step);
            rest = behind;
        }
        Some(JsonPath(steps))
    }

    /// What is there; a list of all of it when the path has a `*`.
    pub(crate) fn find(&self, event: &Value) -> Option<Value> {
        let mut found = vec![event];
        for step in &self.0 {
            found = match step {
                Step::Member(name) => found.into_iter().filter_map(|value| value.get(name)).collect(),
                Step::Element(at) => found.into_iter().filter_map(|value| value.get(at)).collect(),
                Step::Every => found
                    .into_iter()
                    .flat_map(|value| match value {
                        Value::Array(items) => items.iter().collect(),
                        Value::Object(members) => members.values().collect::<Vec<_>>(),
                        _ => Vec::new(),
                    })
                    .collect(),
            };
        }
        if self.0.contains(&Step::Every) {
            return Some(Value::Array(found.into_iter().cloned().collect()));
        }
        found.first().copied().cloned()
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return match name {
            "" => None,
            "*" => Some((Step::Every, rest)),
            name => Some((Step::Member(name.to_owned()), rest)),
        };
    }
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let quoted = |quote| inside.strip_prefix(quote).and_then(|inside| inside.strip_suffix(quote));
    let step = match inside {
        "*" => Step::Every,
        _ => match quoted('\'').or_else(|| quoted('"')) {
            Some(name) => Step::Member(name.to_owned()),
            None => Step::Element(inside.parse().ok()?),
        },
    };
    Some((step, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_what_they_name() {
        let event =
            json!({"detail-type": "t", "detail": {"a": [{"b": 1}, {"b": 2}], "c.d": true, "n": null}});
        let find = |path: &str| JsonPath::parse(path).and_then(|path| path.find(&event));
        assert_eq!(find("$"), Some(event.clone()));
        assert_eq!(find("$.detail-type"), Some(json!("t")));
        assert_eq!(find("$.detail.a[1].b"), Some(json!(2)));
        assert_eq!(find("$.detail.a[*].b"), Some(json!([1, 2])));
        assert_eq!(find("$.detail['c.d']"), Some(json!(true)));
        assert_eq!(find("$.detail.n"), Some(Value::Null));
        assert_eq!(find("$.detail.x"), None);
        for bad in ["", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]"] {
            assert_eq!(JsonPath::parse(bad), None, "{bad}");
        }
    }
}
