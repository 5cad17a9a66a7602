//! The stemmer of Porter (1980) with the changes NLTK makes by default (`PorterStemmer.NLTK_EXTENSIONS`).

/// Words whose stem no rule gives, and their stems.
const IRREGULAR: &str = "\
    sky:sky skies:sky dying:die lying:lie tying:tie news:news innings:inning inning:inning outings:outing \
    outing:outing cannings:canning canning:canning howe:howe proceed:proceed exceed:exceed succeed:succeed";

/// Returns the stem of a word of lower-case ASCII letters and digits, the only words of ROUGE.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = pairs(IRREGULAR).find(|(irregular, _)| *irregular == word) {
        return stem.to_owned();
    }
    if word.len() <= 2 {
        return word.to_owned();
    }
    let mut word = ending_in_y(&past_or_progressive(&plural(word)));
    word = noun_or_adverb(&word);
    word = apply(&word, LONG_ENDINGS, |stem, _| measure(stem) > 0);
    final_letters(last_ending(&word))
}

/// Returns the pairs of a list such as `ies:i ss:ss s:`.
fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(' ').filter_map(|pair| pair.split_once(':'))
}

/// Replaces the first ending that the word has, if the stem before it meets the condition.
fn apply(word: &str, rules: &str, condition: impl Fn(&str, &str) -> bool) -> String {
    for (ending, by) in pairs(rules) {
        if let Some(stem) = word.strip_suffix(ending) {
            return if condition(stem, ending) { format!("{stem}{by}") } else { word.to_owned() };
        }
    }
    word.to_owned()
}

/// Returns whether each letter is a consonant. A y is one unless it follows a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut consonants: Vec<bool> = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        consonants.push(match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => !consonants.last().is_some_and(|before| *before),
            _ => true,
        });
    }
    consonants
}

/// Returns Porter's m: the number of vowels that a consonant follows.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(stem: &str) -> bool {
    consonants(stem).contains(&false)
}

fn ends_in_double_consonant(word: &str) -> bool {
    let letters = word.as_bytes();
    letters.len() >= 2
        && letters[letters.len() - 1] == letters[letters.len() - 2]
        && consonants(word).last() == Some(&true)
}

/// Tests for Porter's *o: consonant, vowel, consonant other than w, x, y. NLTK adds words of two letters.
fn ends_in_short_syllable(word: &str) -> bool {
    match consonants(word)[..] {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// Step 1a.
fn plural(word: &str) -> String {
    if word.len() == 4 && word.ends_with("ies") {
        return apply(word, "ies:ie", |_, _| true);
    }
    apply(word, "sses:ss ies:i ss:ss s:", |_, _| true)
}

/// Step 1b.
fn past_or_progressive(word: &str) -> String {
    if word.ends_with("ied") {
        return apply(word, if word.len() == 4 { "ied:ie" } else { "ied:i" }, |_, _| true);
    }
    if word.ends_with("eed") {
        return apply(word, "eed:ee", |stem, _| measure(stem) > 0);
    }
    let Some(stem) = ["ed", "ing"].iter().find_map(|ending| word.strip_suffix(ending).filter(|stem| has_vowel(stem)))
    else {
        return word.to_owned();
    };
    if stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz") {
        return format!("{stem}e");
    }
    if ends_in_double_consonant(stem) {
        let mut single = stem.to_owned();
        if !stem.ends_with(['l', 's', 'z']) {
            single.pop();
        }
        return single;
    }
    if measure(stem) == 1 && ends_in_short_syllable(stem) { format!("{stem}e") } else { stem.to_owned() }
}

/// Step 1c: only after a consonant that is not the first letter.
fn ending_in_y(word: &str) -> String {
    apply(word, "y:i", |stem, _| stem.len() > 1 && consonants(stem).last() == Some(&true))
}

/// Step 2.
fn noun_or_adverb(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| measure(stem) > 0) {
        return noun_or_adverb(&format!("{stem}al"));
    }
    // The l of "logi" counts as part of the stem, so that short ones as "geo" do, too.
    apply(word, ENDINGS, |stem, ending| match ending {
        "logi" => measure(&word[..stem.len() + 1]) > 0,
        _ => measure(stem) > 0,
    })
}

/// Step 2. Only the first that fits is tried, so longer ones come first.
const ENDINGS: &str = "\
    ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble alli:al entli:ent eli:e ousli:ous ization:ize \
    ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous aliti:al iviti:ive biliti:ble fulli:ful \
    logi:log";

/// Step 3.
const LONG_ENDINGS: &str = "icate:ic ative: alize:al iciti:ic ical:ic ful: ness:";

/// Step 4.
fn last_ending(word: &str) -> &str {
    let mut endings = LAST_ENDINGS.split(' ').filter_map(|ending| Some((word.strip_suffix(ending)?, ending)));
    match endings.next() {
        Some((stem, ending)) if measure(stem) > 1 && (ending != "ion" || stem.ends_with(['s', 't'])) => stem,
        _ => word,
    }
}

const LAST_ENDINGS: &str = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize";

/// Step 5: a last e, and one of two l.
fn final_letters(word: &str) -> String {
    let without_e = word.strip_suffix('e').filter(|stem| match measure(stem) {
        0 => false,
        1 => !ends_in_short_syllable(stem),
        _ => true,
    });
    let word = without_e.unwrap_or(word);
    let shorter = word.strip_suffix('l').filter(|stem| stem.ends_with('l') && measure(stem) > 1);
    shorter.unwrap_or(word).to_owned()
}
