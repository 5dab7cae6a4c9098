//! What a blob's encoder computes on the curve: the commitment, the point of the low-degree test, and every node of the proofs' trees.

use crate::shape::{COSETS, Shape};
use ark_bn254::G1Affine;

/// One node of a tree: the commitment to the values below it, and its quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Node {
    pub commitment: G1Affine,
    pub quotient: G1Affine,
}

/// Everything on the curve that the slices of one blob hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    shape: Shape,
    /// `f(τ)`, the same for all cosets.
    pub commitment: G1Affine,
    /// `τ^D f(τ)`.
    pub high: G1Affine,
    nodes: Vec<Node>,
}

impl Points {
    /// All nodes at infinity, to be filled.
    pub fn new(shape: Shape) -> Self {
        let nodes = vec![Node::default(); COSETS * Self::nodes_of_coset(shape)];
        Self { shape, commitment: G1Affine::default(), high: G1Affine::default(), nodes }
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Nodes `0..2^level` of one level of a coset's tree; levels count from 1, the children of the root.
    pub fn level(&self, coset: usize, level: u32) -> &[Node] {
        let start = self.start(coset, level);
        &self.nodes[start..start + (1 << level)]
    }

    pub fn level_mut(&mut self, coset: usize, level: u32) -> &mut [Node] {
        let start = self.start(coset, level);
        &mut self.nodes[start..start + (1 << level)]
    }

    fn start(&self, coset: usize, level: u32) -> usize {
        debug_assert!(coset < COSETS && (1..=self.shape.depth()).contains(&level));
        coset * Self::nodes_of_coset(self.shape) + (1 << level) - 2
    }

    const fn nodes_of_coset(shape: Shape) -> usize {
        (2 << shape.depth()) - 2
    }
}
