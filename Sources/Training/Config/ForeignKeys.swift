/// Keys of PEFT, Transformers, TRL and their relatives that have another name here or nothing to set.
enum ForeignKeys {
    /// What to do instead, by key.
    static let advice: [String: String] = {
        var advice: [String: String] = [:]
        for (keys, text) in groups {
            for key in keys { advice[key] = text }
        }
        return advice
    }()

    private static func use(_ key: String, _ note: String = "") -> String {
        "not a key here; use \(key)" + (note.isEmpty ? "" : " (\(note))")
    }
    private static func remove(_ why: String) -> String { "not a key here; remove it: \(why)" }

    private static let groups: [(keys: [String], text: String)] = [
        (
            [
                "per_device_train_batch_size", "per_device_eval_batch_size", "per_gpu_train_batch_size", "batch_size",
                "train_batch_size", "micro_batch_size", "gradient_accumulation_steps",
            ],
            use(
                "training.global_batch_size",
                "the examples of one step over all ranks; training.micro_batch_tokens bounds the memory")
        ),
        (["warmup_ratio"], use("training.warmup_steps", "below 1 it is a share of all steps")),
        (
            [
                "fp16", "bf16", "tf32", "torch_dtype", "fp16_full_eval", "bf16_full_eval", "mixed_precision",
                "precision",
            ],
            use("model.dtype")
        ),
        (
            [
                "packing", "packing_strategy", "padding_free", "pad_to_multiple_of", "eval_packing", "group_by_length",
                "sample_packing",
            ],
            remove("examples always share a micro-batch without padding and never see each other")
        ),
        (
            ["gradient_checkpointing", "gradient_checkpointing_kwargs", "use_reentrant", "activation_offloading"],
            use("training.activation_checkpointing")
        ),
        (["max_seq_length", "max_seq_len", "cutoff_len", "model_max_length", "sequence_len"], use("data.max_length")),
        (["truncation_mode"], use("data.long_examples")),
        (["model_name_or_path", "base_model", "model_name", "model_path"], use("model.path")),
        (["base_model_name_or_path"], use("model.base_name")),
        (["output_dir"], use("output.dir")),
        (["dataset_name", "dataset_path", "train_file", "train_dataset", "dataset", "datasets"], use("data.train")),
        (["eval_dataset", "validation_file", "test_file"], use("data.eval")),
        (["val_set_size", "validation_split", "test_size"], use("data.eval_split")),
        (["dataset_text_field"], use("data.columns", "such as {text: content}")),
        (["shuffle_dataset"], use("data.shuffle")),
        (["chat_template_path"], use("data.chat_template")),
        (["assistant_only_loss"], use("data.train_on", "assistant")),
        (["completion_only_loss", "train_on_inputs"], use("data.train_on", "completion or all")),
        (["lora_r", "lora_rank", "rank"], use("lora.r")),
        (["alpha"], use("lora.lora_alpha")),
        (["dropout"], use("lora.lora_dropout")),
        (["lora_target_modules", "lora_target_linear"], use("lora.target_modules")),
        (
            ["adapter_name_or_path", "adapter"],
            use("lora.init_adapter", "to start from an adapter")
        ),
        (
            [
                "layers_pattern", "lora_bias", "layer_replication", "megatron_config",
                "loftq_config", "eva_config", "corda_config", "target_parameters", "trainable_token_indices",
                "ensure_weight_tying", "use_qalora", "qalora_group_size", "alora_invocation_tokens", "arrow_config",
                "runtime_config", "megatron_core", "ephemeral_gpu_offload", "auto_mapping", "monteclora_config",
            ],
            remove("this of PEFT is not supported; what it is by default, it is here")
        ),
        (["task_type", "peft_type", "fan_in_fan_out", "inference_mode", "use_peft"], remove("it is always as needed")),
        (
            [
                "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_compute_dtype",
                "bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "quantization_config",
            ],
            use("model.quantization", "nf4; files that are quantised already are used as they are")
        ),
        (["lr"], use("training.learning_rate")),
        (["lr_scheduler", "scheduler"], use("training.lr_scheduler_type")),
        (["epochs", "num_epochs"], use("training.num_train_epochs")),
        (["gradient_clipping", "max_norm", "clip_grad_norm"], use("training.max_grad_norm")),
        (["optim", "optimizer", "optim_args"], remove("the optimiser is AdamW")),
        (["adam_eps", "epsilon"], use("training.adam_epsilon")),
        (["eval_strategy", "evaluation_strategy", "do_eval"], use("training.eval_steps", "with data.eval")),
        (["save_strategy"], use("training.save_steps")),
        (["logging_strategy", "logging_first_step"], use("training.logging_steps")),
        (["metric_for_best_model", "greater_is_better"], remove("the best step is that of the lowest held-out loss")),
        (["early_stopping", "early_stopping_threshold"], use("training.early_stopping_patience")),
        (["data_seed"], use("training.seed")),
        (["num_threads", "num_workers", "dataloader_num_workers", "dataset_num_proc"], use("training.threads")),
        (["overwrite_output_dir"], remove("give --overwrite on the command line")),
        (
            [
                "use_cpu", "no_cuda", "use_mps_device", "device", "device_map", "deepspeed", "fsdp", "fsdp_config",
                "ddp_backend", "ddp_find_unused_parameters", "local_rank", "attn_implementation", "use_liger_kernel",
                "flash_attention",
            ],
            remove("ranks on CPUs share the work as mpirun starts them")
        ),
        (
            ["report_to", "run_name", "logging_dir", "push_to_hub", "hub_model_id", "disable_tqdm"],
            remove("the run's folder holds its metrics; nothing goes over the network")
        ),
    ]
}
