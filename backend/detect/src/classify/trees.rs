//! The trees that smartcore has grown, in a form of our own: walked and stored here, so that a prediction needs nothing
//! but the model's bytes. Grows none itself.
//!
//! Byte form, little-endian: trees u16; for each tree its nodes u32, and for each node column u16 and then, where the
//! column is 65,535, the class u16 of a leaf; else threshold f64 and the number of the right child u32. The left child
//! is the next node; numbers up to the threshold go left.

use serde::Deserialize;
use smartcore::{
    ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters},
    linalg::basic::matrix::DenseMatrix,
};

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// A tree has fewer nodes than twice its rows, which are at most 20,000 and 32 for each of 256 classes.
const MAX_NODES: usize = 65_536;
pub(super) const MAX_TREES: usize = 500;
const LEAF: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    threshold: f64,
    /// Right child, or the class of a leaf.
    right: u32,
    column: u16,
}

/// Trees that vote.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trees(Vec<Vec<Node>>);

/// smartcore's forest as its serde form has it; the fields are private there.
#[derive(Deserialize)]
struct Grown {
    trees: Vec<GrownTree>,
}

#[derive(Deserialize)]
struct GrownTree {
    nodes: Vec<GrownNode>,
}

#[derive(Deserialize)]
struct GrownNode {
    output: usize,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

impl Trees {
    /// Grows trees from rows of `columns` numbers, row-major, and a class for each. Every class below the largest has to
    /// occur.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] where smartcore refuses, or its trees cannot be taken over.
    pub(super) fn grow(
        columns: usize,
        rows: Vec<f64>,
        classes: &Vec<u32>,
        parameters: RandomForestClassifierParameters,
    ) -> Result<Self, DetectError> {
        let refused = |error: &dyn std::fmt::Display| DetectError::malformed("random forest", "a trained one", error);
        let matrix = DenseMatrix::new(classes.len(), columns, rows, false).map_err(|error| refused(&error))?;
        let forest = RandomForestClassifier::fit(&matrix, classes, parameters).map_err(|error| refused(&error))?;
        let form = serde_json::to_value(&forest).map_err(|error| refused(&error))?;
        let grown: Grown = serde_json::from_value(form).map_err(|error| refused(&error))?;
        let trees = grown.trees.iter().map(|tree| take_over(&tree.nodes));
        trees.collect::<Option<_>>().map(Self).ok_or_else(|| refused(&"another form of tree"))
    }

    /// Takes the other trees in.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// How many trees vote for each class; `votes` has a place for each.
    pub(super) fn vote(&self, row: &[f64], votes: &mut [u32]) {
        votes.fill(0);
        for tree in &self.0 {
            let mut at = 0;
            while tree[at].column != LEAF {
                let node = &tree[at];
                at = if row[usize::from(node.column)] <= node.threshold { at + 1 } else { node.right as usize };
            }
            votes[tree[at].right as usize] += 1;
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.0.len() as u16);
        for tree in &self.0 {
            writer.u32(tree.len() as u32);
            for node in tree {
                writer.u16(node.column);
                if node.column == LEAF {
                    writer.u16(node.right as u16);
                } else {
                    writer.f64(node.threshold);
                    writer.u32(node.right);
                }
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, columns: usize, classes: usize) -> Result<Self, DetectError> {
        let count = usize::from(reader.u16()?);
        if !(1..=MAX_TREES).contains(&count) {
            return Err(reader.error("1 to 500 trees", count));
        }
        (0..count).map(|_| read_tree(reader, columns, classes)).collect::<Result<_, _>>().map(Self)
    }
}

/// The nodes in the order root, left, right; none if they are no tree.
fn take_over(nodes: &[GrownNode]) -> Option<Vec<Node>> {
    let mut taken: Vec<Node> = Vec::with_capacity(nodes.len());
    // The node to take next, and of which one it is the right child.
    let mut waiting = vec![(0, None)];
    while let Some((number, parent)) = waiting.pop() {
        let here = taken.len() as u32;
        if let Some(parent) = parent {
            let parent: &mut Node = taken.get_mut(parent)?;
            parent.right = here;
        }
        let node = nodes.get(number)?;
        if taken.len() == nodes.len() {
            return None;
        }
        match (node.true_child, node.false_child) {
            (None, None) => {
                taken.push(Node { threshold: 0.0, right: u32::try_from(node.output).ok()?, column: LEAF });
            }
            (Some(left), Some(right)) => {
                let column = u16::try_from(node.split_feature).ok()?;
                taken.push(Node { threshold: node.split_value?, right: 0, column });
                waiting.push((right, Some(here as usize)));
                waiting.push((left, None));
            }
            _ => return None,
        }
    }
    Some(taken)
}

/// Every child comes after its node and before the end, so that every walk ends at a leaf.
fn read_tree(reader: &mut Reader<'_>, columns: usize, classes: usize) -> Result<Vec<Node>, DetectError> {
    let count = reader.u32()? as usize;
    if !(1..=MAX_NODES).contains(&count) {
        return Err(reader.error("1 to 65536 nodes", count));
    }
    let mut nodes = Vec::new();
    for here in 0..count {
        let column = reader.u16()?;
        if column == LEAF {
            let class = u32::from(reader.u16()?);
            if class as usize >= classes {
                return Err(reader.error(format!("a class below {classes}"), class));
            }
            nodes.push(Node { threshold: 0.0, right: class, column });
            continue;
        }
        let node = Node { threshold: reader.f64()?, right: reader.u32()?, column };
        if usize::from(column) >= columns || node.right as usize <= here + 1 || node.right as usize >= count {
            let actual = format!("column {column}, child {} of {here}", node.right);
            return Err(reader.error(format!("a column below {columns} and a later child"), actual));
        }
        nodes.push(node);
    }
    match nodes.last() {
        Some(last) if last.column == LEAF => Ok(nodes),
        _ => Err(reader.error("a leaf at the end", "another node")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn votes_are_smartcores_predictions() {
        let mut random = Random::new(1);
        let rows: Vec<f64> = (0..300 * 3).map(|_| random.unit()).collect();
        let noisy = |row: &[f64]| (row[0] + 0.3 * row[2] > 0.6) as u32 + (row[1] > 0.7) as u32;
        let classes: Vec<u32> = rows.chunks(3).map(noisy).collect();
        let parameters = RandomForestClassifierParameters::default().with_n_trees(21).with_seed(5);
        let trees = Trees::grow(3, rows.clone(), &classes, parameters.clone()).unwrap();
        let matrix = DenseMatrix::new(300, 3, rows, false).unwrap();
        let theirs = RandomForestClassifier::fit(&matrix, &classes, parameters).unwrap();
        let others: Vec<f64> = (0..300 * 3).map(|_| random.unit()).collect();
        let predicted = theirs.predict(&DenseMatrix::new(300, 3, others.clone(), false).unwrap()).unwrap();
        for (row, expected) in others.chunks(3).zip(predicted) {
            let mut votes = [0; 3];
            trees.vote(row, &mut votes);
            assert_eq!(votes.iter().sum::<u32>(), 21);
            // smartcore takes the first of several with the most votes.
            let most = (0..3).rev().max_by_key(|class| votes[*class]).unwrap();
            assert_eq!(most as u32, expected);
        }
    }
}
