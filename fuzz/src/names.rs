//! Names and ARNs. Input: one identifier.

use lambent_domain::{
    AccountId, CodeSha256, FunctionKey, FunctionName, FunctionRef, Qualifier, Region, RequestId, Scope,
};

/// What parses is of its alphabet, and is the same again when it is written and read.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    if let Some(account) = AccountId::parse(text) {
        assert_eq!(account.as_str(), text);
    }
    if let Some(region) = Region::parse(text) {
        assert_eq!(region.as_str(), text);
    }
    if let Some(name) = FunctionName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Some(id) = RequestId::parse(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    if let Some(sha256) = CodeSha256::from_hex(text) {
        assert_eq!(sha256.to_hex(), text.to_ascii_lowercase());
    }
    if let Some(qualifier) = Qualifier::parse(text) {
        check_qualifier(&qualifier, text);
    }
    if let Some(found) = FunctionRef::parse(text) {
        check_reference(&found, text);
    }
}

fn check_qualifier(qualifier: &Qualifier, text: &str) {
    let of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$' | b'.');
    assert!(text.bytes().all(of_alphabet), "{text:?} is no qualifier");
    let shown = qualifier.to_string();
    assert_eq!(Qualifier::parse(&shown).as_ref(), Some(qualifier), "{text:?} is shown as {shown:?}");
}

fn check_reference(found: &FunctionRef, text: &str) {
    assert!(!found.name.is_empty() && text.contains(&found.name));
    if let Some(qualifier) = &found.qualifier {
        check_qualifier(qualifier, text.rsplit(':').next().unwrap_or_default());
    }
    let Some(name) = FunctionName::parse(&found.name) else {
        return;
    };
    let account = found.account.clone().or_else(|| AccountId::parse("123456789012"));
    let region = found.region.clone().or_else(|| Region::parse("us-east-1"));
    let (Some(account), Some(region)) = (account, region) else { unreachable!() };
    // A region without a hyphen is not told apart from a name.
    if !region.as_str().contains('-') {
        return;
    }
    let key = FunctionKey { scope: Scope { account, region }, name };
    let arn = match &found.qualifier {
        Some(qualifier) => key.qualified_arn(&qualifier.to_string()),
        None => key.arn(),
    };
    let again = FunctionRef::parse(&arn).unwrap_or_else(|| panic!("{arn} of {text:?} does not parse"));
    assert_eq!((&again.name, &again.qualifier), (&found.name, &found.qualifier), "{arn} of {text:?}");
    assert_eq!((again.account, again.region), (Some(key.scope.account), Some(key.scope.region)), "{arn}");
}
