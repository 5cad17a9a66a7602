//! Segments: the nodes between barriers of the workgroup, which its subgroups pass in any order.

use super::program::{Code, Node};

/// Groups nodes without a barrier into segments, in all functions and in `main`. A function comes after those it calls.
pub(super) fn group(functions: &mut [Code], main: &mut Code) {
    let mut with_barrier = Vec::new();
    for code in functions.iter_mut().chain([main]) {
        with_barrier.push(code.nodes.iter().any(|node| has_barrier(node, &with_barrier)));
        code.nodes = segments(std::mem::take(&mut code.nodes), &with_barrier);
    }
}

fn has_barrier(node: &Node, with_barrier: &[bool]) -> bool {
    let any = |nodes: &[Node]| nodes.iter().any(|node| has_barrier(node, with_barrier));
    match node {
        Node::Barrier { kind, .. } => *kind != naga::Barrier::SUB_GROUP,
        Node::Call { function } => with_barrier[*function],
        Node::Block(nodes) | Node::Segment(nodes) => any(nodes),
        Node::If { accept, reject, .. } => any(accept) || any(reject),
        Node::Switch { cases, .. } => cases.iter().any(|(_, nodes)| any(nodes)),
        Node::Loop { body, continuing, .. } => any(body) || any(continuing),
        Node::Ops { .. } | Node::Break | Node::Continue | Node::Return => false,
    }
}

fn segments(nodes: Vec<Node>, with_barrier: &[bool]) -> Vec<Node> {
    let inner = |nodes| segments(nodes, with_barrier);
    let mut grouped = Vec::new();
    let mut segment = Vec::new();
    for node in nodes {
        if !has_barrier(&node, with_barrier) {
            segment.push(node);
            continue;
        }
        if !segment.is_empty() {
            grouped.push(Node::Segment(std::mem::take(&mut segment)));
        }
        grouped.push(match node {
            Node::Block(nodes) => Node::Block(inner(nodes)),
            Node::If { condition, accept, reject, line } => {
                Node::If { condition, accept: inner(accept), reject: inner(reject), line }
            }
            Node::Switch { selector, cases } => {
                let cases = cases.into_iter().map(|(labels, nodes)| (labels, inner(nodes))).collect();
                Node::Switch { selector, cases }
            }
            Node::Loop { body, continuing, break_if, line } => {
                Node::Loop { body: inner(body), continuing: inner(continuing), break_if, line }
            }
            node => node,
        });
    }
    if !segment.is_empty() {
        grouped.push(Node::Segment(segment));
    }
    grouped
}
