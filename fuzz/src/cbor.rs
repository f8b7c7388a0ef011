//! CBOR, as the protocol RPC v2 has it. Input: the bytes themselves.

use lambent_kit::smithy::cbor;
use serde_json::Value;

/// Read or refused; a structure that was read is the same after it was written and read again.
pub fn run(data: &[u8]) {
    match cbor::decode(data) {
        Ok(Value::Object(members)) => {
            let written = cbor::encode(&members, &[]);
            assert_eq!(cbor::decode(&written), Ok(Value::Object(members)));
        }
        Ok(_) => {}
        Err(reason) => assert!(!reason.is_empty(), "a refusal says why"),
    }
}
