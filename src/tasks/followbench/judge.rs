//! The question to a judge about a reply, and the reading of its verdict.

use super::list;
use super::text::Language;

/// Returns the judge's prompt: how the instruction grew, the reply, what to tell in the last line. `path` starts with
/// the instruction of level 0; its length is the reply's level and one.
pub(super) fn request(language: Language, kind: &str, path: &[&str], reply: &str) -> String {
    let level = path.len().saturating_sub(1);
    match language {
        Language::English => english(kind, path, level, reply),
        Language::Chinese => chinese(kind, path, level, reply),
    }
}

fn english(kind: &str, path: &[&str], level: usize, reply: &str) -> String {
    let added = match kind {
        "mixed" => "constraint".to_owned(),
        "situation" => "situation constraint (information to describe a specific situation/background)".to_owned(),
        kind => format!("{kind} constraint"),
    };
    let constraints =
        |count: usize| if count == 1 { "1 constraint".to_owned() } else { format!("{count} constraints") };
    let mut prompt = match level {
        1 => format!(
            "Given an initial instruction, we add one {added} and obtain the final instruction with 1 additional \
             constraint.\n\n"
        ),
        _ => format!(
            "Given an initial instruction, we add one {added} per time and obtain the final instruction with {level} \
             additional constraints.\n\n"
        ),
    };
    for (count, instruction) in path.iter().enumerate() {
        prompt += &match count {
            0 => format!("#Initial Instruction#\n{instruction}\n\n"),
            _ => format!("#Initial Instruction + {}#\n{instruction}\n\n", constraints(count)),
        };
    }
    let answer = format!("#Answer of Initial Instruction + {}#", constraints(level));
    prompt += &format!("{answer}\n{reply}\n\n#System#\n");
    prompt += &match level {
        1 => format!(
            "1) Please identify the 1 added constraint.\n2) Please descriminate if the {answer} satisfies the 1 added \
             constraint.\n3) In the final line, only output a Python LIST with 1 element ('YES' or 'NO') indicating \
             whether the answer satisfies the 1 added constraint."
        ),
        _ => format!(
            "1) Please identify all {level} added constraints.\n2) For the {level} added constraints, discriminate if \
             the {answer} satisfies each constraint.\n3) In the final line, only output a Python LIST with {level} \
             elements ('YES' or 'NO') indicating whether the answer satisfies each constraint."
        ),
    };
    prompt
}

fn chinese(kind: &str, path: &[&str], level: usize, reply: &str) -> String {
    let added = match kind {
        "content" => "内容约束",
        "situation" => "情景约束（描述特定情况/背景的信息）",
        "style" => "风格约束",
        "format" => "格式约束",
        _ => "约束",
    };
    let mut prompt = match level {
        1 => format!("给定一个初始指令，我们添加一个{added}，获得了有1个附加约束的最终指令。\n\n"),
        _ => format!("给定一个初始指令，我们每次添加一个{added}，获得了有{level}个附加约束的最终指令。\n\n"),
    };
    for (count, instruction) in path.iter().enumerate() {
        prompt += &match count {
            0 => format!("#初始指令#\n{instruction}\n\n"),
            _ => format!("#初始指令 + {count}个约束#\n{instruction}\n\n"),
        };
    }
    let answer = format!("#初始指令 + {level}个约束的答案#");
    prompt += &format!("{answer}\n{reply}\n\n#系统#\n1) 请识别出添加的{level}个约束。\n2) ");
    prompt += &match level {
        1 => format!("请判断{answer}是否满足了添加的1个约束。\n"),
        _ => format!("对于添加的{level}个约束, 请判断{answer}是否满足了每个约束。\n"),
    };
    let each = if level == 1 { "一个" } else { "每一个" };
    prompt += &format!(
        "3) 在最后一行，只输出一个包含{level}个元素（“YES”或“NO”）的Python列表，表明答案是否满足添加的{each}约束。"
    );
    prompt
}

/// Counts the constraints that a verdict says are met; None where it cannot be read.
///
/// The last line counts: at level 1 the word YES or else NO in it, at others a list with a word for each constraint.
/// In the Chinese form a longer list is cut, as in the original. Quotes may be of any kind or missing, which the
/// original leaves to be corrected by hand.
pub(super) fn verdict(language: Language, level: usize, text: &str) -> Option<usize> {
    let line = text.trim_matches(|c: char| c == '`' || c.is_whitespace()).split('\n').next_back()?;
    if level == 1 {
        return if line.contains("YES") { Some(1) } else { line.contains("NO").then_some(0) };
    }
    let list = &line[line.find('[')?..];
    let words = list::parse(&list[..=list.rfind(']')?])?;
    let enough = match language {
        Language::English => words.len() == level,
        Language::Chinese => words.len() >= level,
    };
    if !enough {
        return None;
    }
    words.iter().take(level).try_fold(0, |met, word| match word.as_str() {
        "YES" => Some(met + 1),
        "NO" | "PARTIAL" | "PARTIALLY" | "MAYBE" | "UNKNOWN" | "N/A" => Some(met),
        _ => None,
    })
}
