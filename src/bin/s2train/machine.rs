//! The machine, on the command line.

use clap::{Args, ValueEnum};
use s2infer::train::fit::Machine;
use s2infer::train::forward::Precision;
use s2infer::{Error, Result};
use tch::{Cuda, Device};

/// Where and in what numbers it runs
#[derive(Debug, Args)]
#[command(next_help_heading = "The machine")]
pub struct MachineArguments {
    /// Numbers that layers compute with; auto takes bf16 where the processor or a GPU multiplies it natively
    #[arg(long, value_enum, default_value = "auto")]
    precision: PrecisionArgument,
    /// Threads of the network; more than one is slower on a machine that does other work as well
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// auto takes a GPU where libtorch finds one
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionArgument {
    Auto,
    Fp32,
    Bf16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceArgument {
    Auto,
    Cpu,
    Cuda,
}

impl MachineArguments {
    /// The machine.
    ///
    /// # Errors
    /// [`s2infer::Kind::Engine`] where a GPU is asked for and libtorch finds none.
    pub fn machine(&self) -> Result<Machine> {
        tch::set_num_threads(i32::from(self.threads));
        let has_cuda = self.device != DeviceArgument::Cpu && Cuda::is_available();
        if self.device == DeviceArgument::Cuda && !has_cuda {
            return Err(Error::engine(
                "--device cuda: libtorch finds no GPU; S2TRAIN_CUDA=1 scripts/setup-libtorch.sh fetches a libtorch with \
                 CUDA, or leave the flag out",
            ));
        }
        let precision = match self.precision {
            PrecisionArgument::Fp32 => Precision::Fp32,
            PrecisionArgument::Bf16 => Precision::Bf16,
            PrecisionArgument::Auto if has_cuda || has_bf16() => Precision::Bf16,
            PrecisionArgument::Auto => Precision::Fp32,
        };
        Ok(Machine { precision, device: if has_cuda { Device::Cuda(0) } else { Device::Cpu } })
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}
