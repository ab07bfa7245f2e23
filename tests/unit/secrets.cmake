# Secrets that should be gone.
kiln_unit_test(secrets_left SOURCES ${CMAKE_CURRENT_LIST_DIR}/secrets_left.c)
