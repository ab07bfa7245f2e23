foreach(_part options options_refused values)
  add_executable(unit_${_part}
    ${CMAKE_CURRENT_LIST_DIR}/${_part}.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/check.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/flags.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/help_client.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/help_common.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/help_server.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/options.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/suggest.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/values.c
    ${PROJECT_SOURCE_DIR}/gateway/net/address.c
    ${PROJECT_SOURCE_DIR}/lib/base/error.c)
  target_include_directories(unit_${_part} PRIVATE
    ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
  target_link_libraries(unit_${_part} PRIVATE kiln_flags cmocka)
  add_test(NAME unit_${_part} COMMAND unit_${_part})
  set_tests_properties(unit_${_part} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
