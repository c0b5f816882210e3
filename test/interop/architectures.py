#!/usr/bin/env python3
"""Exports architectures of torchvision, timm and transformers with random weights, converts them, and lets ONNX Runtime and PyTorch judge.

    python test/interop/architectures.py [--only 'timm/*'] [--third 0|1|2|all] [--core] [--limit SECONDS] [--overloads FILE]

--core exports the program after run_decompositions(), in the Core ATen dialect. Each runs at a second batch size too, where the program
kept that open. What PyTorch itself cannot export is left out and named. The last line is `N passed, N failed`.
"""
import argparse
import collections
import fnmatch
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]


def image(size, batch=2, channels=3):
    return lambda: (torch.randn(batch, channels, size, size),)


def vision(make, size=64, **options):
    def build():
        import torchvision.models as models

        maker = models
        for part in make.split("."):
            maker = getattr(maker, part)
        return maker(**options)

    return build, image(size)


def video(make):
    build, _ = vision(f"video.{make}")
    return build, lambda: (torch.randn(1, 3, 8, 32, 32),)


def fpn():
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    return resnet_fpn_backbone(backbone_name="resnet18", weights=None)


def rpn_head():
    from torchvision.models.detection.rpn import RPNHead

    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = RPNHead(16, 3)

        def forward(self, x):
            scores, boxes = self.head([x])
            return scores[0], boxes[0]

    return Head()


def timm(name, size=None):
    def build():
        import timm as library

        model = library.create_model(name, pretrained=False, **({"img_size": size} if size and "vit" in name and not name.startswith(("mobilevit", "fastvit", "repvit", "efficientvit")) else {}))
        build.size = size or model.default_cfg.get("input_size", (3, 224, 224))[-1]
        return model

    return build, lambda: (torch.randn(2, 3, build.size, build.size),)


TINY = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=99, max_position_embeddings=64)
DECODER = dict(TINY, num_key_value_heads=2, head_dim=8, use_cache=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)


class Named(torch.nn.Module):
    """A model of transformers called with named inputs; its tensors as a tuple."""

    def __init__(self, model, names, extra):
        super().__init__()
        self.model, self.names, self.extra = model, names, extra

    def forward(self, *inputs):
        result = self.model(**dict(zip(self.names, inputs)), **self.extra)
        return tuple(flat(result))


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict) or hasattr(value, "values"):
        return [t for v in value.values() for t in flat(v)]
    return [t for v in value for t in flat(v)] if isinstance(value, (list, tuple)) else []


def text(kind, config, names=("input_ids", "attention_mask"), extra=None, vocabulary=99, **settings):
    def build():
        import transformers

        made = getattr(transformers, config)(**settings)
        return Named(getattr(transformers, kind)(made), names, extra or {"use_cache": False} if "use_cache" in settings else extra or {})

    def inputs():
        ids = torch.randint(3, vocabulary, (2, 12))
        mask = torch.ones(2, 12, dtype=torch.int64)
        mask[1, 9:] = 0
        known = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": torch.randint(3, vocabulary, (2, 7)), "token_type_ids": torch.zeros_like(ids)}
        return tuple(known[name] for name in names)

    return build, inputs


def other(kind, config, names, inputs, extra=None, **settings):
    def build():
        import transformers

        return Named(getattr(transformers, kind)(getattr(transformers, config)(**settings)), names, extra or {})

    return build, inputs


SEQ2SEQ = ("input_ids", "attention_mask", "decoder_input_ids")
BART = dict(d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
            vocab_size=99, max_position_embeddings=64, use_cache=False, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)
PICTURE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8)
SPEECH = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, conv_dim=(16, 16, 16), conv_kernel=(8, 3, 2), conv_stride=(4, 2, 2),
              num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=32)

ARCHITECTURES = {
    **{f"torchvision/{name}": vision(name, size) for name, size in {
        "alexnet": 64, "vgg11": 32, "googlenet": 64, "inception_v3": 96, "densenet121": 64, "shufflenet_v2_x0_5": 64, "mnasnet0_5": 64, "regnet_y_400mf": 64,
        "regnet_x_400mf": 64, "convnext_tiny": 64, "efficientnet_b0": 64, "efficientnet_v2_s": 64, "resnext50_32x4d": 64, "swin_t": 64, "swin_v2_t": 64,
        "mobilenet_v2": 64, "mobilenet_v3_large": 64, "squeezenet1_0": 64, "resnet18": 64}.items()},
    "torchvision/vit": vision("VisionTransformer", 32, image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64),
    "torchvision/maxvit": vision("maxvit.MaxVit", 64, input_size=(64, 64), stem_channels=16, partition_size=2, block_channels=[16, 32], block_layers=[1, 1], head_dim=8,
                                 stochastic_depth_prob=0.0, num_classes=10),
    **{f"torchvision/{name}": vision(f"segmentation.{name}", 64, weights_backbone=None, weights=None) for name in
       ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")},
    "torchvision/resnet18_fpn": (fpn, image(64)),
    "torchvision/rpn_head": (rpn_head, image(16, channels=16)),
    **{f"torchvision/{name}": video(name) for name in ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")},
    "torchvision/raft_small": (vision("optical_flow.raft_small")[0], lambda: (torch.randn(1, 3, 128, 128), torch.randn(1, 3, 128, 128))),
    **{f"timm/{name}": timm(name, size) for name, size in {
        "test_vit": None, "test_vit2": None, "test_vit3": None, "test_convnext": None, "test_convnext2": None, "test_efficientnet": None, "test_efficientnet_gn": None,
        "test_efficientnet_evos": None, "test_resnet": None, "test_nfnet": None, "test_byobnet": None, "test_mambaout": None,
        "mobilevit_xxs": 64, "mobilevitv2_050": 64, "pvt_v2_b0": 64, "edgenext_xx_small": 64, "poolformer_s12": 64, "ghostnet_050": 64, "hrnet_w18_small": 64,
        "lcnet_035": 64, "tinynet_e": 64, "repvgg_a0": 64, "mobileone_s0": 64, "fastvit_t8": 64, "xcit_nano_12_p16_224": 64, "levit_128s": 224, "crossvit_9_240": 240,
        "convmixer_768_32": 64, "efficientvit_b0": 64, "efficientvit_m0": 224, "mobilenetv4_conv_small_035": 64, "dla34": 64, "res2net50_26w_4s": 64, "skresnet18": 64,
        "resnest14d": 64, "cspresnet50": 64, "focalnet_tiny_srf": 64, "davit_tiny": 64, "inception_next_atto": 64, "starnet_s1": 64, "hgnetv2_b0": 64, "resmlp_12_224": 224,
        "gmixer_12_224": 224, "coat_lite_tiny": 64, "tiny_vit_5m_224": 224, "repvit_m0_9": 64, "vovnet39a": 64, "eca_resnet33ts": 64, "regnety_002": 64,
        "efficientnet_lite0": 64, "semnasnet_050": 64, "sequencer2d_s": 224, "gcvit_xxtiny": 224, "swiftformer_xs": 224, "halonet26t": 256, "botnet26t_256": 256}.items()},
    "transformers/bert": text("BertModel", "BertConfig", ("input_ids", "attention_mask", "token_type_ids"), **TINY),
    "transformers/roberta": text("RobertaForSequenceClassification", "RobertaConfig", **TINY),
    "transformers/albert": text("AlbertModel", "AlbertConfig", embedding_size=16, **TINY),
    "transformers/electra": text("ElectraModel", "ElectraConfig", embedding_size=16, **TINY),
    "transformers/distilbert": text("DistilBertModel", "DistilBertConfig", dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=99),
    "transformers/deberta_v2": text("DebertaV2Model", "DebertaV2Config", relative_attention=True, pos_att_type=["p2c", "c2p"], **TINY),
    "transformers/mpnet": text("MPNetModel", "MPNetConfig", **TINY),
    "transformers/mobilebert": text("MobileBertModel", "MobileBertConfig", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, vocab_size=99,
                                    embedding_size=16, true_hidden_size=16, intra_bottleneck_size=16),
    "transformers/gpt2": text("GPT2LMHeadModel", "GPT2Config", vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, use_cache=False),
    "transformers/gpt_neo": text("GPTNeoForCausalLM", "GPTNeoConfig", hidden_size=32, num_layers=2, num_heads=4, vocab_size=99, attention_types=[[["global", "local"], 1]],
                                 max_position_embeddings=64, window_size=8, use_cache=False),
    "transformers/gpt_neox": text("GPTNeoXForCausalLM", "GPTNeoXConfig", use_cache=False, **TINY),
    "transformers/opt": text("OPTForCausalLM", "OPTConfig", ffn_dim=64, word_embed_proj_dim=32, use_cache=False, **{k: v for k, v in TINY.items() if k != "intermediate_size"}),
    "transformers/bloom": text("BloomForCausalLM", "BloomConfig", hidden_size=32, n_layer=2, n_head=4, vocab_size=99, use_cache=False),
    "transformers/llama": text("LlamaForCausalLM", "LlamaConfig", **DECODER),
    "transformers/mistral": text("MistralForCausalLM", "MistralConfig", sliding_window=8, **DECODER),
    "transformers/qwen2": text("Qwen2ForCausalLM", "Qwen2Config", **{k: v for k, v in DECODER.items() if k != "head_dim"}),
    "transformers/qwen3": text("Qwen3ForCausalLM", "Qwen3Config", **DECODER),
    "transformers/gemma": text("GemmaForCausalLM", "GemmaConfig", **DECODER),
    "transformers/gemma2": text("Gemma2ForCausalLM", "Gemma2Config", sliding_window=8, **DECODER),
    "transformers/phi": text("PhiForCausalLM", "PhiConfig", **{k: v for k, v in DECODER.items() if k != "head_dim"}),
    "transformers/phi3": text("Phi3ForCausalLM", "Phi3Config", **{k: v for k, v in DECODER.items() if k != "head_dim"}),
    "transformers/falcon": text("FalconForCausalLM", "FalconConfig", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, vocab_size=99, use_cache=False),
    "transformers/stablelm": text("StableLmForCausalLM", "StableLmConfig", **{k: v for k, v in DECODER.items() if k != "head_dim"}),
    "transformers/t5": text("T5Model", "T5Config", SEQ2SEQ, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, vocab_size=99, use_cache=False),
    "transformers/bart": text("BartModel", "BartConfig", SEQ2SEQ, **BART),
    "transformers/marian": text("MarianModel", "MarianConfig", SEQ2SEQ, **dict(BART, pad_token_id=0)),
    "transformers/pegasus": text("PegasusModel", "PegasusConfig", SEQ2SEQ, **dict(BART, pad_token_id=0)),
    "transformers/vit": other("ViTModel", "ViTConfig", ("pixel_values",), image(32), **PICTURE),
    "transformers/deit": other("DeiTModel", "DeiTConfig", ("pixel_values",), image(32), **PICTURE),
    "transformers/beit": other("BeitModel", "BeitConfig", ("pixel_values",), image(32), vocab_size=99, use_relative_position_bias=True, **PICTURE),
    "transformers/dinov2": other("Dinov2Model", "Dinov2Config", ("pixel_values",), image(32), **PICTURE),
    "transformers/swin": other("SwinModel", "SwinConfig", ("pixel_values",), image(32), image_size=32, patch_size=2, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4),
    "transformers/convnextv2": other("ConvNextV2Model", "ConvNextV2Config", ("pixel_values",), image(32), hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
    "transformers/segformer": other("SegformerForSemanticSegmentation", "SegformerConfig", ("pixel_values",), image(64), num_encoder_blocks=2, depths=[1, 1], sr_ratios=[4, 2],
                                    hidden_sizes=[16, 32], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=32),
    "transformers/mobilevit": other("MobileViTModel", "MobileViTConfig", ("pixel_values",), image(64), image_size=64, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 64]),
    "transformers/yolos": other("YolosModel", "YolosConfig", ("pixel_values",), image(32), num_detection_tokens=5, **dict(PICTURE, image_size=[32, 32])),
    "transformers/clip": other("CLIPModel", "CLIPConfig", ("input_ids", "pixel_values"), lambda: (torch.randint(3, 99, (2, 8)), torch.randn(2, 3, 32, 32)),
                               text_config=dict(TINY, eos_token_id=2), vision_config=PICTURE, projection_dim=16),
    "transformers/siglip": other("SiglipVisionModel", "SiglipVisionConfig", ("pixel_values",), image(32), **PICTURE),
    "transformers/wav2vec2": other("Wav2Vec2ForCTC", "Wav2Vec2Config", ("input_values",), lambda: (torch.randn(2, 800),), **SPEECH),
    "transformers/hubert": other("HubertModel", "HubertConfig", ("input_values",), lambda: (torch.randn(2, 800),), **SPEECH),
    "transformers/whisper": other("WhisperModel", "WhisperConfig", ("input_features", "decoder_input_ids"), lambda: (torch.randn(2, 16, 40), torch.randint(3, 99, (2, 6))),
                                  num_mel_bins=16, max_source_positions=20, max_target_positions=32, **{k: v for k, v in BART.items() if k != "max_position_embeddings"}),
    "transformers/audio_spectrogram": other("ASTModel", "ASTConfig", ("input_values",), lambda: (torch.randn(2, 64, 32),), max_length=64, num_mel_bins=32, patch_size=16,
                                            **{k: v for k, v in PICTURE.items() if k not in ("image_size", "patch_size")}),
    "transformers/time_series": other("PatchTSTModel", "PatchTSTConfig", ("past_values",), lambda: (torch.randn(2, 32, 3),), num_input_channels=3, context_length=32, patch_length=4,
                                      patch_stride=4, d_model=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=32),
}


def settle(model):
    """Normalisation statistics that matter, and layer scales that let blocks through."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def close(got, want):
    want = [w for w in flat(want)]
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} outputs, expected {len(want)}")
    worst = 0.0
    for i, (g, w) in enumerate(zip(got, want)):
        w = w.detach().numpy()
        if g.shape != w.shape or g.dtype != w.dtype:
            raise AssertionError(f"output {i} is {g.dtype}{g.shape}, expected {w.dtype}{w.shape}")
        if w.dtype.kind != "f":
            if not np.array_equal(g, w):
                raise AssertionError(f"output {i}: {int(np.sum(g != w))} of {w.size} elements differ")
        elif w.size:
            if not np.array_equal(np.isfinite(g), np.isfinite(w)):
                raise AssertionError(f"output {i}: other finite elements")
            f = np.isfinite(w)
            worst = max(worst, float(np.max(np.abs(g[f] - w[f]), initial=0)) / max(1e-6, float(np.max(np.abs(w[f]), initial=0))))
    if worst > 1e-3:
        raise AssertionError(f"differs by {worst:.1e} of the largest")
    return worst


class NotExported(Exception):
    pass


def judge(build, inputs, folder, core, seen):
    import onnxruntime as ort

    torch.manual_seed(0)
    try:
        model = settle(build())
        x = inputs()
        with torch.no_grad():
            model(*x)
        shapes = tuple({0: torch.export.Dim.AUTO} for _ in x)
        if isinstance(model, Named):
            shapes = {"inputs": shapes}
        with torch.no_grad():
            program = torch.export.export(model, x, dynamic_shapes=shapes, strict=False)
            if core:
                program = program.run_decompositions()
        torch.export.save(program, folder / "model.pt2")
    except Exception as error:
        raise NotExported(f"{type(error).__name__}: {str(error).splitlines()[0][:160]}") from error
    for node in program.graph.nodes:
        if node.op == "call_function":
            seen[str(node.target)] += 1
    start = time.time()
    command = ["node", str(ROOT / "dist" / "cli" / "main.js"), "convert", str(folder / "model.pt2"), "-o", str(folder / "model.onnx"), "--overwrite"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}: " + " ; ".join(line.split(": ", 2)[-1] for line in done.stderr.splitlines() if " error " in line)[:600])
    took = time.time() - start
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    worst = []
    for batch in (x, tuple(torch.cat([t, t.flip(0)[:1]]) for t in x) if program.range_constraints else None):
        if batch is None:
            continue
        try:
            with torch.no_grad():
                want = program.module()(*batch)
        except Exception:
            continue
        worst.append(close(session.run(None, dict(zip(names, [t.numpy() for t in batch]))), want))
    return f"{len(session.get_inputs())} in, {took:.1f} s, " + " | ".join(f"{w:.1e}" for w in worst)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--third", default="all")
    parser.add_argument("--core", action="store_true")
    parser.add_argument("--limit", type=float, default=1e9)
    parser.add_argument("--overloads")
    options = parser.parse_args()
    passed = failed = 0
    begun, seen, left = time.time(), collections.Counter(), []
    for i, (name, (build, inputs)) in enumerate(ARCHITECTURES.items()):
        if not fnmatch.fnmatch(name, options.only) or (options.third != "all" and i % 3 != int(options.third)) or time.time() - begun > options.limit:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                note = judge(build, inputs, Path(folder), options.core, seen)
                passed += 1
                print(f"ok   {name:36} {note}", flush=True)
            except NotExported as error:
                left.append(name)
                print(f"skip {name:36} not exported by PyTorch: {error}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAIL {name:36} {type(error).__name__}: {str(error)[:600]}", flush=True)
    if options.overloads:
        Path(options.overloads).write_text(json.dumps(dict(sorted(seen.items())), indent=1))
    if left:
        print(f"not exported by PyTorch: {', '.join(left)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
