//! Everything that is stored, in memory: what reads see.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use lambent_domain::{CodeSigningConfig, Epoch, EventSourceMapping, Function, Layer, Scope};
use lambent_ports::store::{Record, RecordKey, Usage};

/// Kind, scope and name: in this order, so that a scope's records of a kind stand together.
pub(crate) type Index = (Kind, Scope, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Function,
    Layer,
    CodeSigning,
    Mapping,
}

impl Kind {
    /// As stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Layer => "layer",
            Kind::CodeSigning => "code-signing",
            Kind::Mapping => "event-source-mapping",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Kind::Function, Kind::Layer, Kind::CodeSigning, Kind::Mapping];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A record as it was committed.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Function(Arc<Function>),
    Layer(Arc<Layer>),
    CodeSigning(Arc<CodeSigningConfig>),
    Mapping(Arc<EventSourceMapping>),
}

impl Stored {
    /// A record with the epoch of its commit.
    pub(crate) fn of(record: Record, epoch: Epoch) -> Self {
        match record {
            Record::Function(mut function) => {
                function.epoch = epoch;
                Stored::Function(Arc::new(*function))
            }
            Record::Layer(mut layer) => {
                layer.epoch = epoch;
                Stored::Layer(Arc::new(*layer))
            }
            Record::CodeSigning(mut config) => {
                config.epoch = epoch;
                Stored::CodeSigning(Arc::new(*config))
            }
            Record::Mapping(mut mapping) => {
                mapping.epoch = epoch;
                Stored::Mapping(Arc::new(*mapping))
            }
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        match self {
            Stored::Function(function) => function.epoch,
            Stored::Layer(layer) => layer.epoch,
            Stored::CodeSigning(config) => config.epoch,
            Stored::Mapping(mapping) => mapping.epoch,
        }
    }

    /// What it adds to its scope's sums.
    pub(crate) fn weight(&self) -> Usage {
        match self {
            Stored::Function(function) => Usage {
                function_count: 1,
                code_bytes: function.code_bytes(),
                claimed_concurrency: function.claimed_concurrency().into(),
            },
            Stored::Layer(layer) => Usage { code_bytes: layer.code_bytes(), ..Usage::default() },
            Stored::CodeSigning(_) | Stored::Mapping(_) => Usage::default(),
        }
    }
}

pub(crate) fn index(key: &RecordKey) -> Index {
    match key {
        RecordKey::Function(key) => (Kind::Function, key.scope.clone(), key.name.to_string()),
        RecordKey::Layer(key) => (Kind::Layer, key.scope.clone(), key.name.clone()),
        RecordKey::CodeSigning(key) => (Kind::CodeSigning, key.scope.clone(), key.id.clone()),
        RecordKey::Mapping(key) => (Kind::Mapping, key.scope.clone(), key.uuid.clone()),
    }
}

/// Sums with one record's weight taken away or added.
pub(crate) fn minus(sum: Usage, weight: Usage) -> Usage {
    Usage {
        function_count: sum.function_count - weight.function_count,
        code_bytes: sum.code_bytes - weight.code_bytes,
        claimed_concurrency: sum.claimed_concurrency - weight.claimed_concurrency,
    }
}

pub(crate) fn plus(sum: Usage, weight: Usage) -> Usage {
    Usage {
        function_count: sum.function_count + weight.function_count,
        code_bytes: sum.code_bytes + weight.code_bytes,
        claimed_concurrency: sum.claimed_concurrency + weight.claimed_concurrency,
    }
}

#[derive(Default)]
pub(crate) struct Tables {
    records: BTreeMap<Index, Stored>,
    usage: HashMap<Scope, Usage>,
}

impl Tables {
    pub(crate) fn get(&self, index: &Index) -> Option<&Stored> {
        self.records.get(index)
    }

    pub(crate) fn usage(&self, scope: &Scope) -> Usage {
        self.usage.get(scope).copied().unwrap_or_default()
    }

    /// Puts a record, or takes it out.
    pub(crate) fn set(&mut self, index: Index, record: Option<Stored>) {
        let usage = self.usage.entry(index.1.clone()).or_default();
        if let Some(record) = &record {
            *usage = plus(*usage, record.weight());
        }
        let old = match record {
            Some(record) => self.records.insert(index, record),
            None => self.records.remove(&index),
        };
        if let Some(old) = old {
            *usage = minus(*usage, old.weight());
        }
    }

    /// A kind's records of a scope with names after `after`, in byte order.
    pub(crate) fn after<'a>(
        &'a self,
        kind: Kind,
        scope: &'a Scope,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Stored> {
        let from = match after {
            Some(name) => Bound::Excluded((kind, scope.clone(), name.to_owned())),
            None => Bound::Included((kind, scope.clone(), String::new())),
        };
        let range = self.records.range((from, Bound::Unbounded));
        range.take_while(move |(index, _)| index.0 == kind && index.1 == *scope).map(|(_, record)| record)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.records.values()
    }

    /// The greatest epoch there is.
    pub(crate) fn newest(&self) -> Epoch {
        self.records.values().map(Stored::epoch).max().unwrap_or(Epoch::NEW)
    }
}
