add_executable(unit_address
  ${CMAKE_CURRENT_LIST_DIR}/address.c
  ${PROJECT_SOURCE_DIR}/gateway/net/address.c
  ${PROJECT_SOURCE_DIR}/gateway/net/resolve.c
  ${PROJECT_SOURCE_DIR}/lib/base/error.c)
target_include_directories(unit_address PRIVATE
  ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
target_link_libraries(unit_address PRIVATE kiln_flags cmocka)
add_test(NAME unit_address COMMAND unit_address)
set_tests_properties(unit_address PROPERTIES LABELS unit TIMEOUT 60)
