//! A small mutator that always does the same for the same seed.

/// Pieces that the parsed languages are made of.
const TOKENS: &[&[u8]] = &[
    b"\r\n\r\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"/",
    b"//",
    b"..",
    b"../",
    b"%2F",
    b"%",
    b"%00",
    b"%C3%28",
    b"+",
    b"&",
    b"=",
    b"?",
    b":",
    b"::",
    b"arn:aws:lambda:",
    b":function:",
    b"$LATEST",
    b"123456789012",
    b"us-east-1",
    b"-",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[]",
    b"{}",
    b"null",
    b"true",
    b"NaN",
    b"1e999",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1.5",
    b"\xff",
    b"\xf0\x9f\x90\x91",
    b".member.1",
    b"$.",
    b"[*]",
    b"&&",
    b"||",
    b"(",
    b")",
    b"*",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\xff\xff\xff\xff",
    b"\xff\xff",
    b"\x00\x00\x00\x00",
];

/// Longest input that mutations grow to.
const MAX_BYTES: usize = 8 * 1024;

/// A sequence of mutations of a corpus.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Begins a sequence; `corpus` must not be empty.
    pub fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Mutator { corpus, state: seed | 1 }
    }

    /// Xorshift64*: any generator would do, as long as it is the same everywhere.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        // Mostly short, sometimes all the rest.
        let longest = if self.below(4) == 0 { length - start } else { 16.min(length - start) };
        start..start + self.below(longest + 1)
    }

    /// The next input: a file of the corpus with one to four changes.
    pub fn input(&mut self) -> Vec<u8> {
        let corpus = self.corpus;
        let mut data = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut data);
        }
        data.truncate(MAX_BYTES.max(corpus.iter().map(Vec::len).max().unwrap_or(0)));
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len());
        let range = self.range(data.len());
        match self.below(8) {
            0 if !data.is_empty() => data[at] ^= 1 << self.below(8),
            1 if !data.is_empty() => data[at] = self.next() as u8,
            2 => drop(data.drain(range)),
            3 => {
                let again: Vec<u8> = data[range].repeat(1 + self.below(3));
                data.splice(at..at, again);
            }
            4 => {
                let corpus = self.corpus;
                let other = &corpus[self.below(corpus.len())];
                let part = other[self.range(other.len())].to_vec();
                data.splice(range, part);
            }
            5 => data.truncate(at),
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                // In place of as many bytes, so that lengths elsewhere still fit; or in between.
                let end = if self.below(2) == 0 { at } else { (at + token.len()).min(data.len()) };
                data.splice(at..end, token.iter().copied());
            }
        }
    }
}
