"""The --full tier: models fetched from PyPI; the same stages with address and undefined-behaviour sanitizers, the runtime's tests with the thread sanitizer."""
import fetched
import forms
import fuzz_targets
import onnx_suite


def run(env, report, stages, sh, root):
    fetched.run(env, report)
    fuzz_targets.run(env, report, sh, root, seconds=300, every=1)
    build = root / "build-asan"
    result = sh("cmake", "-S", root, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DDSC_SANITIZE=ON", "-DDSC_TESTS=ON")
    result = sh("ninja", "-C", build, timeout=3000)
    report.check("sanitizer build", result.returncode == 0, result.stdout)
    if result.returncode == 0:
        plain = env.build, env.dsc
        env.build, env.dsc = build, build / "dsc"
        for name in ("units", "text", "bad_input", "models", "forms", "onnx_suite"):
            stages[name](env, report)
        for level in forms.levels(env.dsc)[:-1]: # the last one is this machine's own, which the stage has run
            for name, (status, reason) in onnx_suite.run(env.dsc, env.work / ("suite." + level), ["--cpu=" + level]).items():
                report.check("sanitized, at %s: %s" % (level, name), status not in ("crash", "timeout") and "Sanitizer" not in reason and "runtime error" not in reason, "%s: %s" % (status, reason))
        env.build, env.dsc = plain
    tsan = env.work / "test_runtime_tsan"
    result = sh("cc", "-std=gnu11", "-g", "-O1", "-fsanitize=thread", "-I", root, root / "tests/unit/test_runtime.c", root / "runtime/pool.c", root / "runtime/weights.c", root / "runtime/model.c", root / "runtime/npy.c", "-o", tsan, "-lcmocka", "-lpthread")
    report.check("thread sanitizer build", result.returncode == 0, result.stderr)
    if result.returncode == 0:
        result = sh(tsan)
        report.check("runtime under the thread sanitizer", result.returncode == 0, result.stderr)
