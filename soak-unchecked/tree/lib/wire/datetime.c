/* Dates as the XenAPI writes them; see value.h.  Own arithmetic: no locale, no time zone database,
 * the proleptic Gregorian calendar at any year. */
#include "config.h"

#include "lib/wire/value.h"

#define SECONDS_A_DAY 86400

/* Days since 1970-01-01 of a date; years count from March so that a leap day ends one. */
static gint64
days_from_date(int year, int month, int day)
{
    gint64 y = month <= 2 ? year - 1 : year;
    gint64 era = (y >= 0 ? y : y - 399) / 400;
    gint64 year_of_era = y - era * 400;
    gint64 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    gint64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void
date_from_days(gint64 days, gint64 *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    gint64 era = (days >= 0 ? days : days - 146096) / 146097;
    gint64 day_of_era = days - era * 146097;
    gint64 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    gint64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (int)((5 * day_of_year + 2) / 153);

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

void
datetime_append(GString *out, gint64 usec)
{
    gint64 seconds = usec / G_USEC_PER_SEC - (usec % G_USEC_PER_SEC < 0);
    gint64 days = seconds / SECONDS_A_DAY - (seconds % SECONDS_A_DAY < 0);
    int second = (int)(seconds - days * SECONDS_A_DAY);
    gint64 year;
    int month, day;

    date_from_days(days, &year, &month, &day);
    if (year > 9999)
        g_string_append(out, "99991231T23:59:59Z");
    else if (year < 0)
        g_string_append(out, "00000101T00:00:00Z");
    else
        g_string_append_printf(out, "%04d%02d%02dT%02d:%02d:%02dZ", (int)year, month, day,
                               second / 3600, second / 60 % 60, second % 60);
}

char *
datetime_format(gint64 usec)
{
    GString *out = g_string_sized_new(24);

    datetime_append(out, usec);
    return g_string_free(out, FALSE);
}

/* Reads exactly `n` digits. */
static bool
read_digits(const char **text, int n, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < n; i++) {
        if (!g_ascii_isdigit((*text)[i]))
            return false;
        number = number * 10 + ((*text)[i] - '0');
    }
    *text += n;
    *ret_number = number;
    return true;
}

static bool
read_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

/* Reads ".123456789": digits beyond microseconds are dropped. */
static bool
read_fraction(const char **text, int *ret_usec)
{
    int usec = 0, unit = 100000;

    if (!g_ascii_isdigit(**text))
        return false;
    for (; g_ascii_isdigit(**text); (*text)++, unit /= 10)
        usec += (**text - '0') * unit;
    *ret_usec = usec;
    return true;
}

/* Reads nothing, "Z", "+02:00", "-0230" or "+02" up to the end of the text. */
static bool
read_zone(const char *text, int *ret_seconds)
{
    int hours, minutes = 0;
    char sign = *text;

    *ret_seconds = 0;
    if (sign == '\0')
        return true;
    text++;
    if (sign == 'Z' || sign == 'z')
        return *text == '\0';
    if ((sign != '+' && sign != '-') || !read_digits(&text, 2, &hours))
        return false;
    if (*text) {
        read_char(&text, ':');
        if (!read_digits(&text, 2, &minutes))
            return false;
    }
    if (*text || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

bool
datetime_parse(const char *text, gint64 *ret_usec)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second, usec = 0, zone;

    if (!read_digits(&text, 4, &year))
        return false;
    bool hyphens = read_char(&text, '-');
    if (!read_digits(&text, 2, &month) || (hyphens && !read_char(&text, '-')) ||
        !read_digits(&text, 2, &day))
        return false;
    if (!read_char(&text, 'T') && !read_char(&text, 't') && !read_char(&text, ' '))
        return false;
    if (!read_digits(&text, 2, &hour))
        return false;
    bool colons = read_char(&text, ':');
    if (!read_digits(&text, 2, &minute) || (colons && !read_char(&text, ':')) ||
        !read_digits(&text, 2, &second))
        return false;
    if (read_char(&text, '.') && !read_fraction(&text, &usec))
        return false;
    if (!read_zone(text, &zone))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !leap) || hour > 23 || minute > 59 || second > 60)
        return false;
    gint64 seconds = days_from_date(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 +
                     second - zone;
    *ret_usec = seconds * G_USEC_PER_SEC + usec;
    return true;
}
