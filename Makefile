# edgeseg: `make help` lists the targets. Everything is built under build/ and .venv/; `make clean` removes build/.

PYTHON ?= python3
TORCH ?=
VENV := .venv
RUN := $(VENV)/bin/python -m

CHECKPOINT ?= models/weights/cmunext-xxs-hw_w4a4_busi.pt
FLOAT_CHECKPOINT ?= models/weights/cmunext-xxs-hw_float_busi.pt
DATA ?=
MAX_DROP ?= 0.01
TOOLCHAIN ?=
BACKEND ?= rtl
IMAGE ?= calib_data/images/benign_184.png
MASK ?= $(patsubst calib_data/images/%,calib_data/masks/%,$(filter calib_data/images/%,$(IMAGE)))
FOLDING ?= default
BOARD ?= pynq-z2
DEMO := build/demo
EXPORT := $(DEMO)/export/$(subst /,-,$(basename $(CHECKPOINT)))
SMALL := $(EXPORT)-32x32
EXPORT_SOURCES := $(wildcard models/*.py quant/*.py quant/*/*.py quant/configs/*.toml calib_data/*.*)
SIM_BOARD := build/sim-board
SIM_ZIP := $(SIM_BOARD)/edgeseg-deploy-SIMULATED.zip
SIM_IMAGES ?= calib_data/images/benign_184.png calib_data/images/benign_007.png
CASCADE ?=
JOINT ?=
SCAN ?=
SAMPLE_SCAN := calib_data/hippocampus/images/hippocampus_148.nii.gz
ON_SIM_BOARD := EDGESEG_SIM=1 EDGESEG_LOCK=$(abspath $(SIM_BOARD))/lock $(abspath .venv-board)/bin/python
TESTS ?=
JOBS ?= auto

export PYTHON
ifneq ($(TORCH),)
export TORCH
endif

.DEFAULT_GOAL := help
no-checkpoint:

.PHONY: no-checkpoint help setup demo bitstream ip sim-board test test-slow test-properties iou lint coverage lock docs bench report clean

help: ## this list
	@echo "make TARGET [VARIABLE=value]"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "variables: IMAGE, MASK (demo image and its mask), FOLDING (name, TOML file or cycles per frame), BOARD,"
	@echo "  TOOLCHAIN (vivado, openxc7), BACKEND (rtl, hls: of make demo and make bitstream),"
	@echo "  CHECKPOINT (network of the demo), FLOAT_CHECKPOINT, DATA, MAX_DROP (what make iou compares it with, on what),"
	@echo "  SIM_IMAGES (what make sim-board segments), SCAN (instead: a NIfTI file, of a CHECKPOINT for slices),"
	@echo "  CASCADE (a folder of quant cascade, for SCAN),"
	@echo "  JOINT (1: both accelerators of CASCADE in one bitstream),"
	@echo "  TESTS (what make test runs),"
	@echo "  JOBS (processes that run it; auto: one a core), PYTHON, TORCH (what pip installs as torch)"

setup: ## .venv by pip alone, once
	@.ci/setup.sh

demo: setup $(EXPORT)/manifest.json $(if $(filter hls,$(BACKEND)),,$(SMALL)/manifest.json) ## one real image through the whole accelerator, every logit compared
ifeq ($(filter rtl hls,$(BACKEND)),)
	@echo "error: BACKEND is '$(BACKEND)', must be rtl or hls" >&2; exit 2
else ifeq ($(BACKEND),hls)
	@$(RUN) hw_build build --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(DEMO) --stop-after shell
	@$(RUN) hw_build hls --export $(EXPORT) --out $(DEMO) --no-synthesis --image "$(IMAGE)" $(if $(MASK),--mask "$(MASK)")
else
	@$(RUN) hw_build demo --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(DEMO) \
		--netlist-export $(SMALL) --image "$(IMAGE)" $(if $(MASK),--mask "$(MASK)")
endif

# The manifest is the last file that an export writes. Where the checkpoint is missing, the exporter says so.
$(EXPORT)/manifest.json: $(or $(wildcard $(CHECKPOINT)),no-checkpoint) $(EXPORT_SOURCES) | setup
	@$(RUN) quant export --checkpoint $(CHECKPOINT) --out $(EXPORT)

$(SMALL)/manifest.json: $(or $(wildcard $(CHECKPOINT)),no-checkpoint) $(EXPORT_SOURCES) | setup
	@$(RUN) quant export --checkpoint $(CHECKPOINT) --size 32 --out $(SMALL)

# What runs is what would be copied to a board: the zip, unpacked, in an environment with pynq and without this project.
sim-board: setup $(if $(CASCADE),,$(EXPORT)/manifest.json) ## the driver, unchanged, on a simulated PYNQ board: selftest and SIM_IMAGES
	@.ci/setup-board.sh
ifneq ($(CASCADE),)
	@rm -rf $(SIM_BOARD)/cascade
	@mkdir -p $(SIM_BOARD)/cascade
	@cp $(CASCADE)/cascade.json $(SIM_BOARD)/cascade
	@for stage in first second; do \
		$(RUN) hw_build build --export $(CASCADE)/$$stage --board $(BOARD) --folding $(FOLDING) --out $(SIM_BOARD)/$$stage --stop-after shell || exit; \
		$(if $(JOINT),continue;) \
		$(RUN) hw_build deploy --export $(CASCADE)/$$stage --out $(SIM_BOARD)/$$stage --simulated --zip $(SIM_BOARD)/$$stage.zip && \
		$(ON_SIM_BOARD) -m zipfile -e $(SIM_BOARD)/$$stage.zip $(SIM_BOARD)/cascade/$$stage || exit; done
ifneq ($(JOINT),)
	@$(RUN) hw_build join --first $(SIM_BOARD)/first --second $(SIM_BOARD)/second --out $(SIM_BOARD)/joint --simulation-only
	@$(RUN) hw_build deploy --export $(CASCADE)/first $(CASCADE)/second --out $(SIM_BOARD)/joint --simulated --zip $(SIM_BOARD)/joint.zip
	@$(ON_SIM_BOARD) -m zipfile -e $(SIM_BOARD)/joint.zip $(SIM_BOARD)/cascade
endif
	@cd $(SIM_BOARD)/cascade/first && $(ON_SIM_BOARD) -m board infer --deploy .. --out $(abspath $(SIM_BOARD))/mask.nii.gz $(abspath $(or $(SCAN),$(SAMPLE_SCAN)))
	@$(RUN) quant predict-cascade --cascade $(CASCADE) --out $(SIM_BOARD)/reference.nii.gz $(or $(SCAN),$(SAMPLE_SCAN))
	@cmp $(SIM_BOARD)/mask.nii.gz $(SIM_BOARD)/reference.nii.gz
	@echo "exact    mask of $(or $(SCAN),$(SAMPLE_SCAN)): as the integer reference"
else
	@$(RUN) hw_build build --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(DEMO) --stop-after shell
	@$(RUN) hw_build deploy --export $(EXPORT) --out $(DEMO) --simulated --zip $(SIM_ZIP)
	@rm -rf $(SIM_BOARD)/deploy $(SIM_BOARD)/masks
	@$(ON_SIM_BOARD) -m zipfile -e $(SIM_ZIP) $(SIM_BOARD)/deploy
	@cd $(SIM_BOARD)/deploy && $(ON_SIM_BOARD) -m board selftest --frames 1
ifneq ($(SCAN),)
	@cd $(SIM_BOARD)/deploy && $(ON_SIM_BOARD) -m board infer --out ../mask.nii.gz $(abspath $(SCAN))
	@$(RUN) quant predict-scan --export $(EXPORT) --out $(SIM_BOARD)/reference.nii.gz $(SCAN)
	@cmp $(SIM_BOARD)/mask.nii.gz $(SIM_BOARD)/reference.nii.gz
	@echo "exact    labels of $(SCAN): as the integer reference"
else
	@cd $(SIM_BOARD)/deploy && $(ON_SIM_BOARD) -m board infer --resize --out ../masks $(abspath $(SIM_IMAGES))
	@$(RUN) hw_build.implement.pynq_sim.compare $(SIM_BOARD)/deploy/golden.npz $(SIM_BOARD)/masks
endif
endif

ip: setup $(EXPORT)/manifest.json ## the accelerator as an IP-XACT core, for a block design of your own
	@$(RUN) hw_build build --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(DEMO) --stop-after shell
	@$(RUN) hw_build ip --out $(DEMO)

# Unless asked otherwise folded for 60 frames/s; FIFOs hold what a simulation shows, for deep ones do not fit the part.
BITSTREAM := build/bitstream-$(notdir $(basename $(BOARD)))
bitstream: FOLDING = pynq-z2-60fps
bitstream: setup $(EXPORT)/manifest.json ## bitstream of BOARD by Vivado or the open flow; without either, all before it
ifeq ($(filter rtl hls,$(BACKEND)),)
	@echo "error: BACKEND is '$(BACKEND)', must be rtl or hls" >&2; exit 2
else ifeq ($(BACKEND),hls)
	@$(RUN) hw_build build --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(BITSTREAM) --stop-after shell
	@$(RUN) hw_build hls --export $(EXPORT) --out $(BITSTREAM)
else
	@$(RUN) hw_build build --export $(EXPORT) --board $(BOARD) --folding $(FOLDING) --out $(BITSTREAM) --size-fifos --netlist
	@$(RUN) hw_build bitstream --export $(EXPORT) --out $(BITSTREAM) $(if $(TOOLCHAIN),--toolchain $(TOOLCHAIN))
endif

report: ## report.html and report.json of the demo again, from what is saved
	@$(RUN) hw_build report --out $(DEMO)

test: setup ## every test that needs neither an hour, a GPU, Vivado nor a board
	@$(RUN) pytest -n $(JOBS) --dist loadfile $(TESTS)

test-slow: setup ## whole 256x256 frames
	@$(RUN) pytest -m slow $(TESTS)

test-properties: setup ## random networks, graphs, files and TOML by the thousand: an hour and a half of a core
	@$(RUN) pytest --hypothesis-profile slow tests/properties

iou: setup ## IoU of float, QAT, QONNX and integers; fails on a drop of more than MAX_DROP
	@$(RUN) quant gate --float $(FLOAT_CHECKPOINT) --quantized $(CHECKPOINT) --max-drop $(MAX_DROP) \
		$(if $(DATA),--data "$(DATA)") --junit build/iou/junit.xml --markdown build/iou/summary.md

lint: setup ## ruff and mypy on the Python, the contracts of imports, Verilator lint on our RTL
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest -q -p no:cacheprovider tests/test_layering.py
	@$(RUN) hw_build.simulate.lint

coverage: setup ## the default tests with line and branch coverage, build/coverage
	@$(RUN) pytest -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html:build/coverage $(TESTS)

lock: setup ## requirements.lock: the versions of all that .venv holds but torch, whose builds differ
	@{ echo "# Written by make lock: constraints of make setup."; $(RUN) pip freeze | \
		grep -v -i -E '^(torch|triton|nvidia|brevitas|finn-plus|hls4ml|setuptools)[^ ]*' | grep '=='; } >requirements.lock.partial
	@mv requirements.lock.partial requirements.lock

docs: ## the documentation as a site, build/docs/index.html; every link and anchor checked
	@.ci/setup-docs.sh
	@.venv-docs/bin/python docs/tables.py --check
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet
	@echo "build/docs/index.html"

BENCH := build/bench
bench: demo ## figures of every stage as a table and build/bench/bench.json; of builds, those that there are
	@mkdir -p $(BENCH)
	@$(RUN) quant bench --checkpoint $(CHECKPOINT) --export $(EXPORT) --json --out $(BENCH)/quant.json >$(BENCH)/quant.log
	@$(RUN) board bench --host >$(BENCH)/board.json
	@$(RUN) hw_build bench --export $(EXPORT) --builds build --out $(BENCH)/hw_build.json
	@$(RUN) hw_build bench-merge $(addprefix $(BENCH)/,quant.json board.json hw_build.json) --out $(BENCH)/bench.json

clean: ## removes build/
	@rm -rf build
