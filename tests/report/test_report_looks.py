from ablate.report import build
import shutil
def test_a(store, ablation, search, tmp_path):
    from pathlib import Path
    o=Path("/tmp/rep"); shutil.rmtree(o, ignore_errors=True)
    build(store, ablation, o/"ladder"/"report"); build(store, search, o/"quest"/"report")
