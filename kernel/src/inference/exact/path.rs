//! The kernels as each processor runs them, and the choice among them.

use super::attention::{self, Attend};
use super::kernels::{self, Gate, Normalise, Product};
use super::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};

/// The compiled loops of one processor.
///
/// # Safety
/// They may be called where `ExactPath::available` names their path.
pub(super) struct Kernels {
    pub product: unsafe fn(&Product<'_>),
    pub normalise: unsafe fn(&Normalise<'_>),
    pub gate: unsafe fn(&Gate),
    pub attend: unsafe fn(&Attend<'_>, &mut [f32]),
    pub soften: unsafe fn(&[f32], *mut f32) -> (f32, f32),
}

macro_rules! compiled {
    ($module:ident, $lanes:ty $(, $features:literal)?) => {
        mod $module {
            use super::*;

            pub(in super::super) static KERNELS: Kernels = Kernels { product, normalise, gate, attend, soften };

            $(#[target_feature(enable = $features)])?
            unsafe fn product(task: &Product<'_>) {
                // SAFETY: the promise of `Kernels`; so below.
                unsafe { kernels::product::<$lanes>(task) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn normalise(task: &Normalise<'_>) {
                unsafe { kernels::normalise::<$lanes>(task) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gate(task: &Gate) {
                unsafe { kernels::gate::<$lanes>(task) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn attend(task: &Attend<'_>, scratch: &mut [f32]) {
                unsafe { attention::attend::<$lanes>(task, scratch) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn soften(logits: &[f32], to: *mut f32) -> (f32, f32) {
                unsafe { kernels::soften::<$lanes>(logits, to) }
            }
        }
    };
}

compiled!(portable, Portable);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, Avx2, "avx2,f16c");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, Avx512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,f16c");

/// A way to compute. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactPath {
    Avx512,
    Avx2,
    Portable,
}

impl ExactPath {
    /// What this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        [Self::Avx512, Self::Avx2, Self::Portable].into_iter().filter(|path| path.is_here()).collect()
    }

    pub fn best() -> Self {
        Self::available().first().copied().unwrap_or(Self::Portable)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let (two, five) = (
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c"),
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni"),
        );
        #[cfg(not(target_arch = "x86_64"))]
        let (two, five) = (false, false);
        match self {
            Self::Avx512 => two && five,
            Self::Avx2 => two,
            Self::Portable => true,
        }
    }

    /// The compiled loops; the portable ones where the processor lacks this path.
    pub(super) fn kernels(self) -> &'static Kernels {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 if self.is_here() => return &avx512::KERNELS,
            Self::Avx2 if self.is_here() => return &avx2::KERNELS,
            _ => {}
        }
        &portable::KERNELS
    }
}
