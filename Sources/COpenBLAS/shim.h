// OpenBLAS as pkg-config finds it: cblas.h and the calls that name and hold its threads.
#pragma once
#include <cblas.h>
