//! Spellings of bytes in tokens: the letters of byte-level BPE, and `<0xNN>` with `▁` for a space in SentencePiece.

/// The mark by which SentencePiece writes a space.
pub(super) const SPACE: char = '\u{2581}';

/// Returns the letter by which byte-level BPE writes a byte: itself where it prints, else U+0100 and up in order.
pub(super) fn byte_letter(byte: u8) -> char {
    let rank = match byte {
        0..=32 => u32::from(byte),
        127..=160 => u32::from(byte) - 127 + 33,
        173 => 67,
        _ => return char::from(byte),
    };
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the token of SentencePiece for a byte that no other token holds.
pub(super) fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Appends the bytes of a token of byte-level BPE; a token with any other character stands for its own text.
pub(super) fn push_letters(text: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for letter in text.chars() {
        let byte = match u32::from(letter) {
            code @ (33..=126 | 161..=172 | 174..=255) => code,
            code @ 0x100..=0x120 => code - 0x100,
            code @ 0x121..=0x142 => code - 0x121 + 127,
            0x143 => 173,
            _ => {
                bytes.truncate(start);
                bytes.extend_from_slice(text.as_bytes());
                return;
            }
        };
        bytes.push(byte as u8);
    }
}

/// Appends the bytes of a token of SentencePiece.
pub(super) fn push_piece(text: &str, bytes: &mut Vec<u8>) {
    match parse_byte_token(text) {
        Some(byte) => bytes.push(byte),
        None => bytes.extend(text.replace(SPACE, " ").bytes()),
    }
}

/// Returns the byte that a token such as `<0x0A>` stands for.
pub(super) fn parse_byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (text == byte_token(byte)).then_some(byte)
}
