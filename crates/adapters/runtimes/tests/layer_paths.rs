//! Where Python looks for modules, with the host's own interpreter.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

const CLIENT: &str = include_str!("../../../../runtimes/python/function_client.py");

fn python(arguments: &[&str], env: &[(&str, &Path)]) -> String {
    let mut command = Command::new("python3");
    command.arg("-c").args(arguments).env_clear().envs(env.iter().copied());
    // The client is read from a directory of the test's own, and nothing is written beside it.
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A tree in which every place has modules that say where they are from.
struct Places {
    dir: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let version = python(&["import sys; print('%d.%d' % sys.version_info[:2])"], &[]);
        let places = Places { dir: tempfile::tempdir().unwrap() };
        places.modules("task", &["a"]);
        let site = format!("layers/lib/python{version}/site-packages");
        places.modules(&site, &["a", "b"]);
        std::fs::write(places.at(&site).join("b.py"), "FROM = 'site-packages'\n").unwrap();
        places.modules("layers", &["a", "b", "c", "only_in_a_layer"]);
        places.modules("layers/by_pth", &["named_by_pth"]);
        std::fs::write(places.at("layers/more.pth"), "by_pth\n").unwrap();
        places.modules("runtime", &["a", "b", "c", "d"]);
        std::fs::write(places.at("runtime/function_client.py"), CLIENT).unwrap();
        places.modules("own", &["b", "c"]);
        places
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn modules(&self, place: &str, names: &[&str]) {
        std::fs::create_dir_all(self.at(place)).unwrap();
        for name in names {
            std::fs::write(self.at(place).join(format!("{name}.py")), format!("FROM = {place:?}\n")).unwrap();
        }
    }

    /// Where modules come from, for a `PYTHONPATH`.
    fn found(&self, python_path: &str, names: &[&str]) -> Vec<String> {
        let script = "import sys; runtime, layers, *names = sys.argv[1:]; sys.path.insert(0, runtime)
import function_client
function_client.set_search_path(layers)
for name in names: print(__import__(name).FROM)";
        let (runtime, layers) = (self.at("runtime"), self.at("layers"));
        let mut arguments = vec![script, runtime.to_str().unwrap(), layers.to_str().unwrap()];
        arguments.extend(names);
        let env = [("LAMBDA_TASK_ROOT", self.at("task")), ("PYTHONPATH", self.at(python_path))];
        let env: Vec<(&str, &Path)> = env.iter().map(|(name, path)| (*name, path.as_path())).collect();
        python(&arguments, &env)
            .lines()
            .map(|line| line.split("/lib/python").next().unwrap().into())
            .collect()
    }
}

#[test]
fn python_looks_in_the_function_then_in_layers_then_in_the_runtime() {
    let places = Places::new();
    let found = places.found("runtime", &["a", "b", "c", "d", "named_by_pth"]);
    assert_eq!(found, ["task", "site-packages", "layers", "runtime", "layers/by_pth"]);
}

#[test]
fn a_functions_own_pythonpath_goes_before_layers() {
    let places = Places::new();
    std::fs::remove_file(places.at("runtime/b.py")).unwrap();
    let found = places.found("own", &["a", "b", "c", "only_in_a_layer", "named_by_pth"]);
    assert_eq!(found, ["task", "own", "runtime", "layers", "layers/by_pth"]);
}
