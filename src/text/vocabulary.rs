//! Tokenizers from the lists of a GGUF header.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use super::bytes::parse_byte_token;
use super::definition::{Definition, REPLACE, Scheme, SpacePrefix, Token, TokenKind, split_merge};
use super::split::SPLITS;
use crate::checkpoint::Vocabulary;
use crate::{Error, Result};

const MERGES: &str = "tokenizer.ggml.merges";
/// Bytes of the longest token that merges may make: the ways to cut a longer one would take long to try.
const LONGEST: usize = 128;

impl Definition {
    /// Makes the definition of a vocabulary; `file` is the name that errors give.
    pub fn from_vocabulary(vocabulary: &Vocabulary, file: &Path) -> Result<Definition> {
        let scheme = scheme(vocabulary, file)?;
        let sentence_piece = matches!(scheme, Scheme::SentencePiece { .. });
        let mut lists = vec![("tokenizer.ggml.token_type", vocabulary.token_types.len())];
        if sentence_piece {
            lists.push(("tokenizer.ggml.scores", vocabulary.scores.len()));
        }
        for (field, length) in lists {
            if length != vocabulary.tokens.len() {
                let expected = format!("{} values, one a token", vocabulary.tokens.len());
                return Err(Error::malformed(file, field, expected, length, REPLACE));
            }
        }
        if vocabulary.add_bos && vocabulary.bos.is_none() {
            let expected = "the token that starts a text, as tokenizer.ggml.add_bos_token asks for one";
            return Err(Error::malformed(file, "tokenizer.ggml.bos_token_id", expected, "no such key", REPLACE));
        }
        let kinds = kinds(vocabulary, sentence_piece, file)?;
        let merges = match sentence_piece {
            true => merges_of_scores(vocabulary, file)?,
            false => {
                let merge = |(rank, merge): (usize, &String)| split_merge(merge, MERGES, rank, file);
                vocabulary.merges.iter().enumerate().map(merge).collect::<Result<_>>()?
            }
        };
        let tokens = (0..).zip(&vocabulary.tokens).zip(kinds);
        let token = |((id, text), kind): ((u32, &String), Option<TokenKind>)| {
            Some(Token { id, text: text.clone(), kind: kind? })
        };
        Ok(Definition {
            tokens: tokens.filter_map(token).collect(),
            merges,
            scheme,
            bos: vocabulary.bos.filter(|_| vocabulary.add_bos),
            tokens_field: "tokenizer.ggml.tokens",
            merges_field: if sentence_piece { "merges by tokenizer.ggml.scores" } else { MERGES },
        })
    }
}

fn scheme(vocabulary: &Vocabulary, file: &Path) -> Result<Scheme> {
    let unsupported = |field: &str, found: &str, known: String| {
        let what = format!("tokenizer.ggml.{field} {found:?}");
        Err(Error::unsupported(file, what, format!("use a model with one of: {known}")))
    };
    match &*vocabulary.model {
        "gpt2" => match SPLITS.iter().find(|split| split.pre == vocabulary.pre) {
            Some(split) => Ok(Scheme::ByteLevel { split, nfc: split.nfc, ignore_merges: split.ignore_merges }),
            None => {
                let known: Vec<_> = SPLITS.iter().map(|split| split.pre).collect();
                unsupported("pre", &vocabulary.pre, known.join(", "))
            }
        },
        // As llama.cpp does; a tokenizer.json may say it otherwise.
        "llama" if vocabulary.add_space_prefix => Ok(Scheme::SentencePiece { prefix: SpacePrefix::EachPiece }),
        "llama" => Ok(Scheme::SentencePiece { prefix: SpacePrefix::Never }),
        other => unsupported("model", other, "gpt2, llama".to_owned()),
    }
}

/// Returns the kind of each token, None for an unused one.
fn kinds(vocabulary: &Vocabulary, sentence_piece: bool, file: &Path) -> Result<Vec<Option<TokenKind>>> {
    let tokens = vocabulary.tokens.iter().zip(&vocabulary.token_types).enumerate();
    let kind = |(id, (text, token_type)): (usize, (&String, &i32))| {
        let expected = match (token_type, sentence_piece) {
            (1, _) => return Ok(Some(TokenKind::Normal)),
            (3, _) | (2, true) => return Ok(Some(TokenKind::Special)),
            (4, _) => return Ok(Some(TokenKind::Added)),
            (5, _) => return Ok(None),
            (6, true) if parse_byte_token(text).is_some() => return Ok(Some(TokenKind::Normal)),
            (6, true) => "a token such as <0x0A> for type 6, a byte",
            (_, true) => "1 to 6",
            (_, false) => "1, 3, 4 or 5, which byte-level BPE uses",
        };
        let found = format!("{token_type} for {text:?}");
        Err(Error::malformed(file, format!("tokenizer.ggml.token_type[{id}]"), expected, found, REPLACE))
    };
    tokens.map(kind).collect()
}

/// Returns the merges that a SentencePiece vocabulary implies: each pair of tokens that makes a token, the highest
/// score first. The order of equal scores is that of Hugging Face's converter.
fn merges_of_scores(vocabulary: &Vocabulary, file: &Path) -> Result<Vec<(String, String)>> {
    let tokens = || (0..).zip(&vocabulary.tokens).filter(|(id, _)| vocabulary.token_types[*id] == 1);
    let ids: HashMap<&str, usize> = tokens().map(|(id, text)| (text.as_str(), id)).collect();
    let mut merges = Vec::new();
    for (id, text) in tokens() {
        if text.len() > LONGEST {
            let field = format!("tokenizer.ggml.tokens[{id}]");
            let found = format!("{} bytes", text.len());
            return Err(Error::malformed(file, field, format!("at most {LONGEST} bytes"), found, REPLACE));
        }
        let score = vocabulary.scores[id];
        if score.is_nan() {
            return Err(Error::malformed(file, format!("tokenizer.ggml.scores[{id}]"), "a number", score, REPLACE));
        }
        let cuts = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        let known = cuts.filter_map(|(left, right)| Some((left, right, *ids.get(left)?, *ids.get(right)?)));
        let from = merges.len();
        merges.extend(known.map(|(left, right, left_id, right_id)| (score, left, right, left_id, right_id)));
        merges[from..].sort_by_key(|&(_, _, _, left_id, right_id)| (left_id, right_id));
    }
    let length = |text: &str| Reverse(text.chars().count());
    merges.sort_by(|a, b| {
        let (a_lengths, b_lengths) = ((length(a.1), length(a.2)), (length(b.1), length(b.2)));
        b.0.total_cmp(&a.0).then(a_lengths.cmp(&b_lengths))
    });
    Ok(merges.into_iter().map(|(_, left, right, ..)| (left.to_owned(), right.to_owned())).collect())
}
