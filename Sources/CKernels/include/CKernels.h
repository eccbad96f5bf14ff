// The inner loops of lora-dist. Each header is about one thing; the instruction set is chosen at run time.
#pragma once
#include "adamw.h"
#include "bf16_gemm.h"
#include "dequantize.h"
#include "elementwise.h"
#include "exact.h"
#include "nf4.h"
#include "random.h"
