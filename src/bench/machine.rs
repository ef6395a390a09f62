//! What a measurement was taken on.

use serde::Serialize;

/// The machine, as far as it says what it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's name, or the architecture's where it has none.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Kernel and its version.
    pub kernel: String,
    /// Load average of the last minute, five and fifteen: runnable threads, this process' among them.
    pub load_average: Option<[f64; 3]>,
}

impl Machine {
    /// This machine, now.
    pub fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: cpu_name(&read("/proc/cpuinfo")).unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            load_average: load_average(&read("/proc/loadavg")),
        }
    }
}

fn cpu_name(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

fn load_average(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split(' ').map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}
