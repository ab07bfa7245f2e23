# The documentation against the source.
add_test(NAME unit_docs_complete
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/docs_complete.py ${PROJECT_SOURCE_DIR})
set_tests_properties(unit_docs_complete PROPERTIES LABELS "unit;plain" TIMEOUT 60)

add_test(NAME unit_style_format
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/style_format.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(unit_style_format PROPERTIES LABELS "unit;plain" TIMEOUT 120 SKIP_RETURN_CODE 77)

# Of a plain build: the sanitizers' flags are none of its business.
if(NOT KILN_SANITIZE)
  add_test(NAME unit_style_tidy
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/style_tidy.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  set_tests_properties(unit_style_tidy PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77
    PROCESSORS 4 COST 200)
endif()
