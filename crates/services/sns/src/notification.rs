//! What subscribers get: the envelope, and the event of Lambda. The order of members is AWS's.

use std::fmt::Write;

use lambent_kit::utc;
use lambent_ports::topic_store::{Delivery, SubscriptionRecord, TopicRecord};
use serde_json::{Map, Value, json};

use crate::arn;
use crate::message::Message;
use crate::signing::{SignatureVersion, Signer};

/// What a notification is made of.
pub(crate) struct Notification<'a> {
    pub(crate) topic: &'a TopicRecord,
    pub(crate) subscription: &'a SubscriptionRecord,
    pub(crate) delivery: &'a Delivery,
    pub(crate) message: &'a Message,
    pub(crate) signer: &'a Signer,
    /// `http://host:port`, for links.
    pub(crate) base_url: &'a str,
}

impl Notification<'_> {
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.message.token, self.message.farewell) {
            (None, _) => "Notification",
            (Some(_), false) => "SubscriptionConfirmation",
            (Some(_), true) => "UnsubscribeConfirmation",
        }
    }

    fn text(&self) -> &str {
        self.message.text(&self.subscription.protocol)
    }

    fn timestamp(&self) -> String {
        utc::rfc3339_ms(self.message.at_ms)
    }

    fn version(&self) -> SignatureVersion {
        match self.topic.attributes.get("SignatureVersion").map(String::as_str) {
            Some("2") => SignatureVersion::Two,
            _ => SignatureVersion::One,
        }
    }

    /// Not encoded, as recorded.
    fn subscribe_url(&self, token: &str) -> String {
        let topic = arn::of_topic(self.topic);
        format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", self.base_url)
    }

    fn unsubscribe_url(&self) -> String {
        let arn = arn::of_subscription(self.topic, self.subscription);
        format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}", self.base_url)
    }

    fn certificate_url(&self) -> String {
        format!("{}{}", self.base_url, self.signer.certificate_path())
    }

    /// What is signed: names and values on lines of their own, by name (AWS documentation).
    fn signed_text(&self) -> String {
        let (topic, timestamp) = (arn::of_topic(self.topic), self.timestamp());
        let url = self.message.token.as_deref().map(|token| self.subscribe_url(token));
        let lines = [
            ("Message", Some(self.text())),
            ("MessageId", Some(self.delivery.uuid.as_str())),
            ("Subject", self.message.subject.as_deref()),
            ("SubscribeURL", url.as_deref()),
            ("Timestamp", Some(timestamp.as_str())),
            ("Token", self.message.token.as_deref()),
            ("TopicArn", Some(topic.as_str())),
            ("Type", Some(self.kind())),
        ];
        lines.iter().fold(String::new(), |mut text, (name, value)| {
            if let Some(value) = value {
                let _ = write!(text, "{name}\n{value}\n");
            }
            text
        })
    }

    fn signature(&self) -> String {
        self.signer.sign(self.version(), &self.signed_text())
    }

    fn attributes(&self) -> Value {
        let attribute = |(name, one): (&String, &crate::message::Attribute)| {
            (name.clone(), json!({ "Type": one.data_type, "Value": one.value }))
        };
        Value::Object(self.message.attributes.iter().map(attribute).collect::<Map<_, _>>())
    }

    /// The envelope for queues and HTTP.
    pub(crate) fn envelope(&self) -> String {
        let mut members = vec![("Type", json!(self.kind())), ("MessageId", json!(self.delivery.uuid))];
        if self.topic.is_fifo() && self.message.token.is_none() {
            members.push(("SequenceNumber", json!(sequence_number(self.delivery.sequence))));
        }
        if let Some(token) = &self.message.token {
            members.push(("Token", json!(token)));
        }
        members.push(("TopicArn", json!(arn::of_topic(self.topic))));
        if let Some(subject) = &self.message.subject {
            members.push(("Subject", json!(subject)));
        }
        members.push(("Message", json!(self.text())));
        if let Some(token) = &self.message.token {
            members.push(("SubscribeURL", json!(self.subscribe_url(token))));
        }
        members.extend([
            ("Timestamp", json!(self.timestamp())),
            ("SignatureVersion", json!(self.version().text())),
            ("Signature", json!(self.signature())),
            ("SigningCertURL", json!(self.certificate_url())),
        ]);
        if self.message.token.is_none() {
            members.push(("UnsubscribeURL", json!(self.unsubscribe_url())));
        }
        if !self.message.attributes.is_empty() {
            members.push(("MessageAttributes", self.attributes()));
        }
        spaced(&members)
    }

    /// The event for a function. Links are spelled otherwise, and nothing is left out (recorded).
    pub(crate) fn lambda_event(&self) -> String {
        json!({ "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": arn::of_subscription(self.topic, self.subscription),
            "Sns": {
                "Type": self.kind(),
                "MessageId": self.delivery.uuid,
                "TopicArn": arn::of_topic(self.topic),
                "Subject": self.message.subject,
                "Message": self.text(),
                "Timestamp": self.timestamp(),
                "SignatureVersion": self.version().text(),
                "Signature": self.signature(),
                "SigningCertUrl": self.certificate_url(),
                "UnsubscribeUrl": self.unsubscribe_url(),
                "MessageAttributes": self.attributes(),
            },
        }]})
        .to_string()
    }
}

/// As a FIFO topic shows it: 20 digits.
pub(crate) fn sequence_number(sequence: u64) -> String {
    format!("1{sequence:019}")
}

/// AWS writes its envelopes with spaces around colons, and each member on a line.
fn spaced(members: &[(&str, Value)]) -> String {
    let attributes = |value: &Value| match value {
        Value::Object(attributes) => {
            let lines: Vec<String> =
                attributes.iter().map(|(name, one)| format!("    {} : {}", json!(name), flat(one))).collect();
            format!("{{\n{}\n  }}", lines.join(",\n"))
        }
        other => other.to_string(),
    };
    let lines: Vec<String> =
        members.iter().map(|(name, value)| format!("  {} : {}", json!(name), attributes(value))).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn flat(attribute: &Value) -> String {
    format!("{{\"Type\":{},\"Value\":{}}}", attribute["Type"], attribute["Value"])
}
