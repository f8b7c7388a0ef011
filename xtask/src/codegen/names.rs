//! Names of the model as names of Rust.

/// `NamespacedFunctionName` → `namespaced_function_name`; `KMSKeyArn` → `kms_key_arn`.
pub(super) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let previous = index.checked_sub(1).map(|before| letters[before]);
        let starts_word = letter.is_ascii_uppercase()
            && previous.is_some_and(|previous| {
                previous.is_ascii_lowercase()
                    || previous.is_ascii_digit()
                    || (previous.is_ascii_uppercase()
                        && letters.get(index + 1).is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    out
}

/// A member's name; keywords get an underscore.
pub(super) fn member(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "type" | "match" | "where" | "use" | "ref" | "self" | "move" | "mod" | "in" | "fn" | "enum"
        | "final" | "virtual" | "override" | "macro" | "try" | "default" | "union" => format!("{name}_"),
        _ => name,
    }
}

/// A constant's name.
pub(super) fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// A type's name: the model's own, with a large first letter.
pub(super) fn type_name(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).filter(char::is_ascii_alphanumeric).collect();
    match name.as_str() {
        // Names that the prelude or the codec already has.
        "String" | "Vec" | "Option" | "Box" | "Result" | "Path" | "Check" | "Members" => {
            format!("{name}Shape")
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_become_rust_names() {
        assert_eq!(snake("KMSKeyArn"), "kms_key_arn");
        assert_eq!(snake("S3ObjectVersion"), "s3_object_version");
        assert_eq!(snake("CodeSha256"), "code_sha256");
        assert_eq!(member("Type"), "type_");
        assert_eq!(constant("VpcConfig"), "VPC_CONFIG");
        assert_eq!(type_name("vpcConfig"), "VpcConfig");
    }
}
