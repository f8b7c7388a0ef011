//! An event as patterns see it: its values by the path of their names, joined with dots.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::PatternError;
use crate::json::{Reader, Token};
use crate::number::{self, Comparable};

/// A value that is neither object nor array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number { text: &'a str, comparable: Option<Comparable> },
    Word(&'static str),
}

/// Where in arrays a value stands. The first one is "in none".
pub(crate) type ContextId = u32;

#[derive(Clone, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) context: ContextId,
}

/// An element of an array, and which one: array and index.
pub(crate) type Element = (u32, u32);

#[derive(Clone, Copy, Debug)]
struct Context {
    parent: ContextId,
    element: Element,
    depth: u32,
}

/// A JSON object, read once, to be matched against any number of patterns.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    fields: HashMap<String, Vec<Found<'a>>>,
    contexts: Vec<Context>,
}

/// What the reading is inside of.
enum Open {
    /// With the path's length before the name that led here.
    Object {
        path: usize,
        context: ContextId,
    },
    Array {
        path: usize,
        context: ContextId,
        id: u32,
        next: u32,
    },
}

impl<'a> Event<'a> {
    /// Reads an event. What is not a JSON object, or more than one, is refused.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(source: &'a str) -> Result<Self, PatternError> {
        let mut reader = Reader::new(source);
        if reader.next()? != Some(Token::ObjectStart) {
            return Err(reader.refuse("Event must be a JSON object"));
        }
        let none = Context { parent: 0, element: (0, 0), depth: 0 };
        let mut event = Self { fields: HashMap::new(), contexts: vec![none] };
        let mut open = vec![Open::Object { path: 0, context: 0 }];
        let mut path = String::new();
        let mut arrays = 0;
        while let Some(top) = open.last_mut() {
            let mut token = reader.next()?;
            let (context, element) = match (top, &token) {
                (_, Some(Token::ObjectEnd | Token::ArrayEnd) | None) => {
                    open.pop();
                    continue;
                }
                (Open::Object { path: before, context }, Some(Token::Name(name))) => {
                    path.truncate(*before);
                    if *before > 0 {
                        path.push('.');
                    }
                    path.push_str(name);
                    let context = *context;
                    token = reader.next()?;
                    (context, None)
                }
                (Open::Object { .. }, _) => return Err(reader.refuse("Event must be a JSON object")),
                (Open::Array { path: length, context, id, next }, _) => {
                    path.truncate(*length);
                    *next += 1;
                    (*context, Some((*id, *next - 1)))
                }
            };
            let value = match token {
                Some(Token::ObjectStart) => {
                    let context = event.inside(context, element);
                    open.push(Open::Object { path: path.len(), context });
                    continue;
                }
                Some(Token::ArrayStart) => {
                    let context = event.inside(context, element);
                    open.push(Open::Array { path: path.len(), context, id: arrays, next: 0 });
                    arrays += 1;
                    continue;
                }
                Some(Token::String) => Value::Text(reader.string()?),
                Some(Token::Number(text)) => Value::Number { text, comparable: number::comparable(text) },
                Some(Token::Word(word)) => Value::Word(word),
                _ => return Err(reader.refuse("Event must be a JSON object")),
            };
            // Plain elements are free of each other: any of them will do, whatever the other fields take.
            let found = Found { value, context };
            match event.fields.get_mut(path.as_str()) {
                Some(known) => known.push(found),
                None => {
                    event.fields.insert(path.clone(), vec![found]);
                }
            }
        }
        if reader.is_at_end() { Ok(event) } else { Err(reader.refuse("Event must be one JSON object")) }
    }

    fn inside(&mut self, parent: ContextId, element: Option<Element>) -> ContextId {
        let Some(element) = element else { return parent };
        let depth = self.contexts[parent as usize].depth + 1;
        self.contexts.push(Context { parent, element, depth });
        (self.contexts.len() - 1) as ContextId
    }

    /// The values at a path.
    pub(crate) fn at(&self, path: &str) -> &[Found<'a>] {
        self.fields.get(path).map_or(&[], Vec::as_slice)
    }

    /// Every path with its values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[Found<'a>])> {
        self.fields.iter().map(|(path, found)| (path.as_str(), found.as_slice()))
    }

    /// The elements that a context is in, the outermost first.
    pub(crate) fn elements(&self, context: ContextId) -> Vec<Element> {
        let mut at = context;
        let mut elements = Vec::with_capacity(self.contexts[at as usize].depth as usize);
        while at != 0 {
            elements.push(self.contexts[at as usize].element);
            at = self.contexts[at as usize].parent;
        }
        elements.reverse();
        elements
    }
}
