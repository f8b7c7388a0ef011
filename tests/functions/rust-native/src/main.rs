//! Echoes its event; fails when told to.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(echo)).await
}

async fn echo(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload == json!("fail") {
        return Err("told to".into());
    }
    Ok(json!({"got": event.payload, "id": event.context.request_id}))
}
