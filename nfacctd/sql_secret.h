/*
 * sql_secret.h - the password of a database.
 */
#ifndef SQL_SECRET_H
#define SQL_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include "nfacctd/settings.h"

enum { SQL_PASSWORD_MAX = 1024 };

/*
 * sql_passwd, or the first line of sql_passwd_file; false with the reason in
 * `why`.  The caller wipes `to`.
 */
bool sql_password(const struct plugin_settings *p, char to[static SQL_PASSWORD_MAX], char *why,
		  size_t size);

#endif /* SQL_SECRET_H */
