//! Where values lie, as bytes: the level of the bins, then for each its value and how often it came. Most counts are whole
//! and small.

use lambent_domain::distribution::Bin;

/// Stands before a count that is not whole.
const REAL: u8 = 0xff;

pub(crate) fn write(level: u8, bins: &[Bin]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + bins.len() * 10);
    bytes.push(level);
    for bin in bins {
        bytes.extend(bin.value.to_le_bytes());
        if bin.count.fract() == 0.0 && (0.0..1e15).contains(&bin.count) {
            let digits = (bin.count as u64).to_le_bytes();
            let used = digits.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            bytes.push(used as u8);
            bytes.extend(&digits[..used]);
        } else {
            bytes.push(REAL);
            bytes.extend(bin.count.to_le_bytes());
        }
    }
    bytes
}

/// `None` when it is not what [`write`] writes.
pub(crate) fn read(bytes: &[u8]) -> Option<(u8, Vec<Bin>)> {
    let (level, mut rest) = bytes.split_first()?;
    let mut bins = Vec::new();
    while !rest.is_empty() {
        let value = f64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?);
        let count = match take(&mut rest, 1)?[0] {
            REAL => f64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?),
            used => {
                let mut digits = [0; 8];
                digits.get_mut(..used.into())?.copy_from_slice(take(&mut rest, used.into())?);
                u64::from_le_bytes(digits) as f64
            }
        };
        bins.push(Bin { value, count });
    }
    Some((*level, bins))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bins: Vec<Bin> = [0.0, 1.0, 255.0, 256.0, 1e14, 0.5, 1e300]
            .into_iter()
            .enumerate()
            .map(|(index, count)| Bin { value: index as f64 * 0.1, count })
            .collect();
        assert_eq!(read(&write(3, &bins)), Some((3, bins)));
        assert_eq!(read(&write(0, &[])), Some((0, vec![])));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0, 1, 2]), None);
    }
}
