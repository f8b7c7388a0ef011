//! Fields inside of the same array are met by the same element of it.

use std::collections::{BTreeMap, HashMap};

use crate::event::{ContextId, Element, Event};

/// Steps for events in which one path leads into several arrays (names with dots, names that come twice). Beyond them
/// such an event does not match.
const MAX_STEPS: usize = 100_000;

/// Where a field is met: for each value that meets it, the elements it is in.
type Places = Vec<Vec<Element>>;

/// Whether every field can be met at once. `fields` are those that no value outside of arrays meets, each with the
/// contexts of the values that do.
pub(crate) fn possible(event: &Event<'_>, fields: &[Vec<ContextId>]) -> bool {
    if fields.len() < 2 {
        return true;
    }
    let fields: Vec<Places> = fields
        .iter()
        .map(|contexts| contexts.iter().map(|context| event.elements(*context)).collect())
        .collect();
    solve(&fields.iter().collect::<Vec<_>>(), 0)
}

/// `depth` elements of each place are the same already.
fn solve(fields: &[&Places], depth: usize) -> bool {
    if fields.len() < 2 {
        return true;
    }
    groups(fields, depth).into_iter().all(|(arrays, members)| {
        if members.len() < 2 {
            return true;
        }
        if arrays > 1 {
            return search(&members, &mut HashMap::new(), &mut 0);
        }
        // One array: some element of it has to meet all.
        let mut elements: BTreeMap<u32, Vec<Places>> = BTreeMap::new();
        for (index, field) in members.iter().enumerate() {
            for place in field.iter() {
                let met = elements.entry(place[depth].1).or_insert_with(|| vec![Vec::new(); members.len()]);
                met[index].push(place.clone());
            }
        }
        elements.into_values().any(|met| {
            if met.iter().any(Vec::is_empty) {
                return false;
            }
            // What the element meets itself asks nothing of arrays inside of it.
            let deeper: Vec<&Places> =
                met.iter().filter(|places| places.iter().all(|place| place.len() > depth + 1)).collect();
            solve(&deeper, depth + 1)
        })
    })
}

/// Fields that share an array at this depth, with the number of arrays that they are in.
fn groups<'a>(fields: &[&'a Places], depth: usize) -> Vec<(usize, Vec<&'a Places>)> {
    let mut groups: Vec<(Vec<u32>, Vec<&Places>)> = Vec::new();
    for field in fields {
        let mut arrays: Vec<u32> = field.iter().map(|place| place[depth].0).collect();
        arrays.sort_unstable();
        arrays.dedup();
        let mut members = vec![*field];
        groups.retain_mut(|(known, others)| {
            let shares = known.iter().any(|array| arrays.binary_search(array).is_ok());
            if shares {
                arrays.append(known);
                arrays.sort_unstable();
                arrays.dedup();
                members.append(others);
            }
            !shares
        });
        groups.push((arrays, members));
    }
    groups.into_iter().map(|(arrays, members)| (arrays.len(), members)).collect()
}

/// Tries every combination.
fn search(fields: &[&Places], chosen: &mut HashMap<u32, u32>, steps: &mut usize) -> bool {
    let Some((field, rest)) = fields.split_first() else { return true };
    for place in field.iter() {
        *steps += 1;
        if *steps > MAX_STEPS {
            return false;
        }
        if place.iter().any(|(array, index)| chosen.get(array).is_some_and(|other| other != index)) {
            continue;
        }
        let added: Vec<u32> = place
            .iter()
            .filter(|(array, index)| chosen.insert(*array, *index).is_none())
            .map(|(array, _)| *array)
            .collect();
        if search(rest, chosen, steps) {
            return true;
        }
        for array in added {
            chosen.remove(&array);
        }
    }
    false
}
