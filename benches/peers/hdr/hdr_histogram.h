/* What Aeron's cping needs of HdrHistogram_c, which is not vendored with Aeron: every value is kept,
 * and sorted at the end. Only to build that sample. */
#ifndef TENSORPOOL_PEERS_HDR_HISTOGRAM_H
#define TENSORPOOL_PEERS_HDR_HISTOGRAM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct hdr_histogram
{
    int64_t *values;
    size_t count;
    size_t capacity;
};

typedef enum
{
    CLASSIC
}
format_type;

static inline int hdr_init(int64_t lowest, int64_t highest, int digits, struct hdr_histogram **result)
{
    const size_t capacity = 16 * 1024 * 1024;
    struct hdr_histogram *histogram = calloc(1, sizeof(*histogram));
    (void)lowest;
    (void)highest;
    (void)digits;
    if (NULL == histogram)
    {
        return -1;
    }
    histogram->values = malloc(capacity * sizeof(int64_t));
    histogram->capacity = NULL == histogram->values ? 0 : capacity;
    *result = histogram;
    return 0 == histogram->capacity ? -1 : 0;
}

static inline void hdr_record_value(struct hdr_histogram *histogram, int64_t value)
{
    if (histogram->count < histogram->capacity)
    {
        histogram->values[histogram->count++] = value;
    }
}

static inline void hdr_reset(struct hdr_histogram *histogram)
{
    histogram->count = 0;
}

static inline void hdr_close(struct hdr_histogram *histogram)
{
    if (NULL != histogram)
    {
        free(histogram->values);
        free(histogram);
    }
}

static inline int hdr_compare(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* One line, in nanoseconds. */
static inline int hdr_percentiles_print(
    struct hdr_histogram *histogram, FILE *stream, int32_t ticks, double scale, format_type format)
{
    const double percentiles[] = { 0.5, 0.99, 0.999, 1.0 };
    const char *names[] = { "p50", "p99", "p99_9", "max" };
    (void)ticks;
    (void)scale;
    (void)format;
    qsort(histogram->values, histogram->count, sizeof(int64_t), hdr_compare);
    fprintf(stream, "round-trip-ns");
    for (size_t i = 0; i < 4 && histogram->count > 0; i++)
    {
        const size_t index = (size_t)((double)(histogram->count - 1) * percentiles[i]);
        fprintf(stream, " %s=%" PRId64, names[i], histogram->values[index]);
    }
    fprintf(stream, "\n");
    return 0;
}

#endif
