//! Several sequences in one pass give, bit for bit, what each gives alone, with a shared beginning and without;
//! on the CPU and on every adapter.

use qwgpu::generate::{BatchPrompt, BatchQuestion, Compute, DeviceChoice, Engine, Event, Flow, Spec, TokenScore, load};

use crate::devices::devices;
use crate::files::fixture;

fn engine(device: &DeviceChoice, context: usize) -> Engine {
    load(&Spec::files(fixture("tiny-qwen")), device, Some(context), &mut ()).unwrap().engine
}

/// Some tokens, each draw others.
fn ids(seed: u32, count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| ((seed * 1000 + i).wrapping_mul(2_654_435_761) >> 8) % 400).collect()
}

/// Questions of many lengths with one to four answers of one to seven tokens.
fn questions(count: u32) -> Vec<BatchQuestion> {
    let one = |n: u32| BatchQuestion {
        ids: ids(n + 1, 1 + (n as usize * 7) % 40),
        answers: (0..1 + n % 4).map(|a| ids(100 + n * 10 + a, 1 + (n + 3 * a) as usize % 7)).collect(),
    };
    (0..count).map(one).collect()
}

fn score(engine: &mut Engine, shared: &[u32], questions: &[BatchQuestion]) -> Vec<Vec<Vec<TokenScore>>> {
    let mut scores = vec![Vec::new(); questions.len()];
    engine
        .score(shared, questions, &mut |number, answers| {
            assert!(scores[number].is_empty(), "question {number} twice");
            scores[number] = answers;
            Ok(())
        })
        .unwrap();
    scores
}

#[test]
fn a_score_depends_on_nothing_else() {
    for device in devices() {
        // Small enough that the questions need several rounds of the cache.
        let mut engine = engine(&device, 300);
        let (shared, questions) = (ids(0, 50), questions(if device.path == Compute::Cpu { 24 } else { 9 }));
        let together = score(&mut engine, &shared, &questions);
        for (number, question) in questions.iter().enumerate() {
            let alone = score(&mut engine, &shared, std::slice::from_ref(question));
            assert_eq!(alone[0], together[number], "question {number} alone, {device:?}");
            let whole = BatchQuestion { ids: [&shared[..], &question.ids].concat(), answers: question.answers.clone() };
            let unshared = score(&mut engine, &[], &[whole]);
            assert_eq!(unshared[0], together[number], "question {number} with its own beginning, {device:?}");
        }
    }
}

#[test]
fn scores_are_those_of_a_sequence_alone() {
    for device in devices() {
        let mut engine = engine(&device, 300);
        let (shared, questions) = (ids(0, 50), questions(9));
        for (question, scores) in questions.iter().zip(score(&mut engine, &shared, &questions)) {
            for (answer, scores) in question.answers.iter().zip(scores) {
                let whole = [&shared[..], &question.ids, answer].concat();
                engine.truncate(0);
                let nll = engine.nll(&whole[..whole.len() - 1], &whole[1..]).unwrap();
                let nll = &nll[nll.len() - answer.len()..];
                for (score, nll) in scores.iter().zip(nll) {
                    assert!((score.nll - nll).abs() < 2e-5 * nll.max(1.0), "{score:?} {nll} on {device:?}");
                    assert!(score.gap >= 0.0 && score.gap < score.nll + 1e-5);
                }
            }
        }
    }
}

#[test]
fn the_greedy_token_is_nothing_below() {
    let mut engine = engine(&DeviceChoice::cpu(), 100);
    let prompt = ids(3, 20);
    let mut reply = Vec::new();
    engine
        .greedy(&prompt, 5, |id| {
            reply.push(id);
            Ok(Flow::Continue)
        })
        .unwrap();
    let other = vec![(reply[0] + 1) % 400];
    let scores = score(&mut engine, &[], &[BatchQuestion { ids: prompt, answers: vec![reply, other] }]);
    assert!(scores[0][0].iter().all(|token| token.gap == 0.0), "{scores:?}");
    assert!(scores[0][1][0].gap > 0.0);
}

fn replies(engine: &mut Engine, shared: &[u32], asked: &[BatchPrompt], stop: u32) -> Vec<Vec<u32>> {
    let mut replies = vec![Vec::new(); asked.len()];
    let mut ended = vec![false; asked.len()];
    engine
        .replies(shared, asked, &mut |number, event| {
            assert!(!ended[number]);
            match event {
                Event::Token(id) => {
                    replies[number].push(id);
                    return Ok(if id % stop == 0 { Flow::Stop } else { Flow::Continue });
                }
                Event::End => ended[number] = true,
                Event::NotFinite => panic!("not finite"),
            }
            Ok(Flow::Continue)
        })
        .unwrap();
    assert!(ended.iter().all(|ended| *ended));
    replies
}

#[test]
fn replies_together_are_replies_alone() {
    for device in devices() {
        let mut engine = engine(&device, 400);
        let shared = ids(0, 30);
        let asked: Vec<BatchPrompt> = (0..11)
            .map(|n| BatchPrompt { ids: ids(n + 50, 1 + n as usize * 5 % 23), limit: 1 + n as usize % 12 })
            .collect();
        let together = replies(&mut engine, &shared, &asked, 7);
        for (number, asked) in asked.iter().enumerate() {
            assert_eq!(replies(&mut engine, &shared, std::slice::from_ref(asked), 7)[0], together[number]);
            let mut alone = Vec::new();
            engine.truncate(0);
            engine
                .greedy(&[&shared[..], &asked.ids].concat(), asked.limit, |id| {
                    alone.push(id);
                    Ok(if id % 7 == 0 { Flow::Stop } else { Flow::Continue })
                })
                .unwrap();
            assert_eq!(alone, together[number], "prompt {number} on {device:?}");
        }
    }
}

#[test]
fn answers_that_do_not_fit_together_are_scored_apart() {
    let question = BatchQuestion { ids: ids(1, 40), answers: (0..9).map(|n| ids(n + 2, 5 + n as usize)).collect() };
    let wide = score(&mut engine(&DeviceChoice::cpu(), 300), &[], std::slice::from_ref(&question));
    let narrow = score(&mut engine(&DeviceChoice::cpu(), 64), &[], std::slice::from_ref(&question));
    assert_eq!(wide, narrow);
    assert!(wide[0].iter().flatten().all(|token| token.nll.is_finite()));
}

#[test]
fn a_question_above_the_context_is_refused() {
    let mut engine = engine(&DeviceChoice::cpu(), 64);
    let question = BatchQuestion { ids: ids(1, 60), answers: vec![ids(2, 9)] };
    let error = engine.score(&[], &[question], &mut |_, _| Ok(())).unwrap_err().to_string();
    assert!(error.contains("at most 63 tokens") && error.contains("68"), "{error}");
    let asked = BatchPrompt { ids: ids(1, 40), limit: 30 };
    let error = engine.replies(&[], &[asked], &mut |_, _| Ok(Flow::Continue)).unwrap_err().to_string();
    assert!(error.contains("at most 63 tokens"), "{error}");
}
